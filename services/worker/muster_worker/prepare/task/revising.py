"""The task that revises the files of one partition of a table: rewrites them without any source, counts them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, StoreFile
from muster_core.lake.order import Order
from muster_core.lake.scan import RowScan
from muster_worker.prepare.task.counting import TableCount
from muster_worker.prepare.task.reading import decoded
from muster_worker.prepare.task.writing import OwnerCount, grouped
from muster_worker.prepare.writer import ORPHAN_KEY, StoreWriter, orphan_schema, table_schema

#: A partition with a larger share of dead rows is rewritten.
MOST_DEAD = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The files of one partition; `customers` is how many ordinals it has given out."""

    partition: int
    files: tuple[StoreFile, ...]
    orphans: tuple[StoreFile, ...]
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseFiles:
    """The task: numbers of partitions in, their files as they are to be and what is in them out."""

    lake: Lake
    directory: str
    columns: dict[str, str]
    order: Order
    dead: tuple[int, ...]
    personal: frozenset[str]
    most_files: int
    #: Whether to count what the columns hold.
    counted: bool
    #: Whether a customer may have one row only; rows beyond it are counted.
    unique: bool
    parts: tuple[Held, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer per partition."""
        for batch in batches:
            for number in batch.column("id").to_pylist():
                answer = {"number": number, **self._revise(self.parts[number])}
                yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _revise(self, part: Held) -> dict[str, Any]:
        killed = {entry.path: self._killed(entry) for entry in (*part.files, *part.orphans)}
        dead = {f.path: f.dead_rows + sum(killed[f.path].values()) for f in part.files}
        old = worth_rewriting(part.files, dead, self.most_files)
        files = [f for f in part.files if f not in old]
        files += self._rewritten(part.partition, old, table_schema(self.columns))
        waiting = list(part.orphans)
        if len(waiting) > 1 or any(killed[f.path] or f.dead for f in waiting):
            waiting = self._rewritten(part.partition, waiting, orphan_schema(self.columns))
        still = [killed.get(f.path, {}) for f in (*files, *waiting)]
        return {
            "files": [f.model_dump() for f in files],
            "orphans": [f.model_dump() for f in waiting],
            "rows": sum(f.rows - f.dead_rows for f in (*files, *waiting))
            - sum(sum(k.values()) for k in still),
            "orphan_rows": sum(f.rows for f in waiting),
            "dead": sorted({number for k in still for number in k}),
            "rewritten": len(old),
            "columns": self._count([*files, *waiting]) if self.counted else None,
            "duplicates": self._duplicates(part, files, waiting) if self.unique else 0,
        }

    @property
    def _scan(self) -> RowScan:
        return RowScan(lake=self.lake, dead_sources=self.dead, order=self.order)

    def _killed(self, entry: StoreFile) -> dict[int, int]:
        """Return how many rows of which dead source a file holds, beside those that are dead one by one."""
        found: dict[int, int] = {}
        if not self.dead:
            return found
        everything = RowScan(lake=self.lake, dead_sources=(), order=Order())
        for batch in everything.columns([entry], [SOURCE_FILE]):
            numbers, counts = np.unique(np.asarray(batch.column(0)), return_counts=True)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                if number in self.dead:
                    found[number] = found.get(number, 0) + count
        return found

    def _rewritten(
        self, partition: int, files: Sequence[StoreFile], schema: Any
    ) -> list[StoreFile]:
        """Write the live rows of `files` as one file in the table's order."""
        if not files:
            return []
        with StoreWriter(self.lake, self.directory, partition, schema) as writer:
            batches = (decoded(b) for b in self._scan.columns(files, schema.names))
            for rows in grouped(batches):
                writer.write(rows)
            file = writer.close()
        return [file] if file else []

    def _count(self, files: Sequence[StoreFile]) -> dict[str, Any]:
        count = TableCount(self.columns, self.personal)
        for entry in files:  # one by one: counts need no order
            for rows in grouped(
                decoded(b) for b in self._scan.columns([entry], list(self.columns))
            ):
                count.add(rows)
        return count.result()

    def _duplicates(
        self, part: Held, files: Sequence[StoreFile], waiting: Sequence[StoreFile]
    ) -> int:
        owners = OwnerCount(part.customers)
        for entry in files:
            for batch in self._scan.columns([entry], [ORDINAL]):
                keys = pa.nulls(batch.num_rows, pa.string())
                owners.add(pa.table({ORDINAL: batch.column(0), ORPHAN_KEY: keys}))
        for entry in waiting:
            for batch in self._scan.columns([entry], [ORPHAN_KEY]):
                nobody = pa.nulls(batch.num_rows, pa.int32())
                owners.add(pa.table({ORDINAL: nobody, ORPHAN_KEY: decoded(batch).column(0)}))
        return owners.duplicates()


def worth_rewriting(
    files: Sequence[StoreFile], dead: dict[str, int], most_files: int
) -> list[StoreFile]:
    """Return which files of a partition to rewrite as one.

    All, where too many rows are dead. Where there are too many files, the smallest: so many that half of the
    allowed are left, and on, as long as a file is no larger than what is rewritten anyway. So a row is
    rewritten a number of times that grows with the logarithm of the rows, however small the increments are.
    """
    rows = sum(f.rows for f in files)
    if sum(dead.get(f.path, 0) for f in files) > MOST_DEAD * rows:
        return list(files)
    if len(files) <= most_files:
        return []
    ascending = sorted(files, key=lambda f: (f.rows, f.path))
    least = len(files) - most_files // 2
    chosen: list[StoreFile] = []
    total = 0
    for file in ascending:
        if len(chosen) >= least and file.rows > total:
            break
        chosen.append(file)
        total += file.rows
    return chosen
