"""The task that marks single rows of one partition of a table as dead, and counts what they held."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.lake.bitmap import read_bitmap, write_bitmap
from muster_core.lake.dead import DeadRows, Rows
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SOURCE_FILE, SOURCE_ROW, StoreFile
from muster_core.lake.scan import bounds_of, intact, open_parquet
from muster_worker.prepare.task.counting import TableCount
from muster_worker.prepare.task.revising import Held

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """A source file of which `rows` more are dead than before; `dead` names the file of all that are.

    Which ones were dead before is told by the prepared files: the file that named them may be gone.
    """

    number: int
    path: str
    dead: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRows:
    """The task: numbers of partitions in, their files with the bitmaps they are to have out."""

    lake: Lake
    directory: str
    columns: dict[str, str]
    personal: frozenset[str]
    died: tuple[Died, ...]
    parts: tuple[Held, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer per partition."""
        gone = {died.number: DeadRows(died.dead).rows for died in self.died}
        for batch in batches:
            for number in batch.column("id").to_pylist():
                answer = {"number": number, **self._kill(self.parts[number], gone)}
                yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _kill(self, part: Held, gone: Mapping[int, Rows]) -> dict[str, Any]:
        count = TableCount(self.columns, self.personal)
        found: Counter[int] = Counter()
        kinds = {}
        for kind, files in (("files", part.files), ("orphans", part.orphans)):
            kinds[kind] = [self._marked(entry, gone, count, found) for entry in files]
        return {
            **{kind: [f.model_dump() for f in files] for kind, files in kinds.items()},
            "rows": _dead(kinds["files"]) - _dead(part.files),
            "orphan_rows": _dead(kinds["orphans"]) - _dead(part.orphans),
            "found": found,
            "columns": count.result(),
        }

    def _marked(
        self, entry: StoreFile, gone: Mapping[int, Rows], count: TableCount, found: Counter[int]
    ) -> StoreFile:
        """Return the file with the bitmap it is to have; what the rows that go held is counted."""
        known = read_bitmap(self.lake, entry)
        dead = np.zeros(entry.rows, dtype=np.bool_) if known is None else known
        hits, at = np.zeros(entry.rows, dtype=np.bool_), 0
        with self.lake.open_input(entry.path) as source, intact(entry):
            file = open_parquet(source, entry, [SOURCE_FILE, SOURCE_ROW])
            for group in range(file.metadata.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                own, live = hits[at : at + size], ~dead[at : at + size]
                at += size
                if not _may_hold(file, group, gone):
                    continue
                places = file.read_row_group(group, [SOURCE_FILE, SOURCE_ROW], use_threads=False)
                _hit(own, live, places, gone, found)
                if own.any():
                    rows = file.read_row_group(group, list(self.columns), use_threads=False)
                    count.add(rows.filter(pa.array(own)))
        if not hits.any():
            return entry
        dead |= hits
        path = write_bitmap(self.lake, self.directory, dead)
        update = {"dead": path, "dead_rows": int(np.count_nonzero(dead))}
        return entry.model_copy(update=update)


def _dead(files: Sequence[StoreFile]) -> int:
    return sum(f.dead_rows for f in files)


def _may_hold(file: Any, group: int, gone: Mapping[int, Rows]) -> bool:
    bounds = bounds_of(file, group, SOURCE_FILE)
    return bounds is None or any(bounds[0] <= number <= bounds[1] for number in gone)


def _hit(own: Bits, live: Bits, places: Any, gone: Mapping[int, Rows], found: Counter[int]) -> None:
    """Set in `own` the rows that are `live` and stand at one of the places that are gone."""
    numbers = places.column(SOURCE_FILE).to_numpy()
    rows = places.column(SOURCE_ROW).to_numpy()
    for number, dead in gone.items():
        of_file = np.flatnonzero((numbers == number) & live)
        hit = of_file[np.isin(rows[of_file], dead)]
        own[hit] = True
        found[number] += len(hit)
