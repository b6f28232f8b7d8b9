"""The task that writes the rows of one partition of a related table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.type import parse_type
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, SOURCE_ROW, StoreFile
from muster_worker.prepare.interchange import (
    FATE,
    FILE,
    KEY,
    PARTITION,
    ROW,
    WITHOUT_CUSTOMER,
    position,
    unpack,
)
from muster_worker.prepare.keyfile import read_keys
from muster_worker.prepare.task.counting import TableCount
from muster_worker.prepare.writer import (
    GROUP_ROWS,
    ORPHAN_KEY,
    StoreWriter,
    orphan_schema,
    table_schema,
)

#: Rows whose customers are looked up at once: each time a table of all customers is built.
LOOKUP_ROWS = 4 * GROUP_ROWS

#: Rows that are left out, by reason and number of the source file.
Lost = dict[str, Counter[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRows:
    """The task of one partition: streams sorted rows into its file and its orphan file."""

    lake: Lake
    directory: str
    columns: dict[str, str]
    time: str | None
    key: str
    profile: dict[int, StoreFile]
    personal: frozenset[str] = frozenset()
    #: Whether a customer may have one row only; rows beyond it are counted.
    unique: bool = False

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer: the files and how many rows of which source belong to nobody or have no time."""
        batches = iter(batches)
        first = next(batches, None)
        while first is not None and not first.num_rows:
            first = next(batches, None)
        if first is None:
            return
        partition = first.column(PARTITION)[0].as_py()
        keys = read_keys(self.lake, self.profile.get(partition), self.key)
        schemas = table_schema(self.columns), orphan_schema(self.columns)
        lost: Lost = {"without_customer": Counter(), "without_time": Counter()}
        count = TableCount(self.columns, self.personal)
        owners = OwnerCount(len(keys)) if self.unique else None
        with (
            StoreWriter(self.lake, self.directory, partition, schemas[0]) as kept,
            StoreWriter(self.lake, self.directory, partition, schemas[1]) as orphans,
        ):
            for rows in grouped(chain([first], batches), LOOKUP_ROWS):
                placed = self._place(rows, keys, lost)
                count.add(placed)
                if owners is not None:
                    owners.add(placed)
                split_rows(placed, kept, orphans)
            file, orphan = kept.close(), orphans.close()
        answer = {
            "partition": partition,
            "file": file and file.model_dump(),
            "orphans": orphan and orphan.model_dump(),
            "duplicates": owners.duplicates() if owners else 0,
            "columns": count.result(),
            **lost,
        }
        yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _place(self, rows: Any, keys: Any, lost: Lost) -> Any:
        """Return the rows somebody may own as the store holds them, with ordinal and key."""
        # the time first: it tells no matter what is known of the tables on the way
        if self.time is not None:
            at = rows.column(position(list(self.columns).index(self.time)))
            rows = _without(rows, at.is_null(), lost["without_time"])
        nobody = pc.equal(rows.column(FATE), WITHOUT_CUSTOMER)
        rows = _without(rows, nobody, lost["without_customer"])
        columns = {
            ORDINAL: pc.index_in(rows.column(KEY), keys, skip_nulls=True),
            ORPHAN_KEY: rows.column(KEY),
        }
        for index, (name, text) in enumerate(self.columns.items()):
            columns[name] = unpack(rows.column(position(index)), parse_type(text))
        columns[SOURCE_FILE] = rows.column(FILE)
        columns[SOURCE_ROW] = rows.column(ROW)
        return pa.table(columns)


class OwnerCount:
    """Counts the rows of a one-to-one table beyond the first of each customer, known or not yet."""

    def __init__(self, customers: int) -> None:
        self._rows = np.zeros(customers, dtype=np.int64)
        self._waiting: list[Any] = [pa.array([], pa.string())]

    def add(self, placed: Any) -> None:
        """Take in rows with ordinal and key."""
        ordinals = placed.column(ORDINAL)
        known = ordinals.drop_null().to_numpy()
        self._rows += np.bincount(known, minlength=len(self._rows))
        waiting = placed.column(ORPHAN_KEY).filter(ordinals.is_null())
        self._waiting += waiting.drop_null().chunks

    def duplicates(self) -> int:
        """Return how many rows are too many."""
        waiting = pa.chunked_array(self._waiting)
        repeated = len(waiting) - pc.count_distinct(waiting).as_py()
        return int(self._rows.sum() - np.count_nonzero(self._rows)) + int(repeated)


def split_rows(placed: Any, kept: StoreWriter, orphans: StoreWriter) -> None:
    """Write rows with an ordinal to `kept`, the others with their key to `orphans`, order unchanged."""
    if not placed.column(ORDINAL).null_count:  # which is usual, and saves copying
        kept.write(placed)
        return
    known = placed.column(ORDINAL).is_valid()
    kept.write(placed.filter(known))
    orphans.write(placed.filter(pc.invert(known)))


def grouped(batches: Iterable[Any], rows: int = GROUP_ROWS) -> Iterator[Any]:
    """Join small batches into tables of about so many rows, so that lookups and files stay efficient."""
    waiting: list[Any] = []
    size = 0
    for batch in batches:
        if size >= rows:
            yield pa.Table.from_batches(waiting)
            waiting, size = [], 0
        waiting.append(batch)
        size += batch.num_rows
    if waiting:
        yield pa.Table.from_batches(waiting)


def _without(rows: Any, lost: Any, counter: Counter[int]) -> Any:
    """Return the rows that are not `lost`; of which source files those come is counted."""
    if not pc.any(lost).as_py():
        return rows
    for entry in pc.value_counts(rows.filter(lost).column(FILE)).to_pylist():
        counter[entry["values"]] += entry["counts"]
    return rows.filter(pc.invert(lost))
