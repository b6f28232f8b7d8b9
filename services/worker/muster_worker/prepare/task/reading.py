"""The tasks that read rows: runs of row groups of source files, and rows that waited in orphan files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.catalog.type import parse_type
from muster_core.lake.dead import DeadRows
from muster_core.lake.key import key_text
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SOURCE_FILE, SOURCE_ROW, StoreFile
from muster_core.lake.order import Order
from muster_core.lake.scan import RowScan
from muster_core.lake.source import SourceReader
from muster_worker.prepare.interchange import FILE, ROW, pack, position


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUnits:
    """The task: units of a source in, rows as they travel out."""

    reader: SourceReader
    keys: tuple[str, ...]
    start: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of every unit in `batches`."""
        for batch in batches:
            for unit in batch.to_pylist():
                row, dead = unit["first"], DeadRows(unit["dead"])
                for rows in self.reader.read(unit["path"], unit["groups"]):
                    yield dead.living(self._pack(rows, unit["number"], row), row)
                    row += rows.num_rows

    def _pack(self, rows: Any, number: int, first: int) -> pa.RecordBatch:
        size = rows.num_rows
        columns = _packed(rows, self.reader.columns, self.keys, self.start)
        columns[FILE] = pa.array(np.full(size, number, dtype=np.int32))
        columns[ROW] = pa.array(np.arange(first, first + size, dtype=np.int64))
        return pa.RecordBatch.from_pydict(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Orphan files of a table; rows of dead sources in them do not count."""

    files: tuple[StoreFile, ...] = ()
    dead: tuple[int, ...] = ()


#: Nothing waits.
NOTHING = Waiting()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWaiting:
    """The task: numbers of orphan files in, rows as they travel out, under their source file and row."""

    lake: Lake
    waiting: Waiting
    columns: dict[str, str]
    keys: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of every orphan file in `batches`."""
        scan = RowScan(lake=self.lake, dead_sources=self.waiting.dead, order=Order())
        names = [*self.columns, SOURCE_FILE, SOURCE_ROW]
        for batch in batches:
            for number in batch.column("id").to_pylist():
                for rows in scan.columns([self.waiting.files[number]], names):
                    yield self._pack(decoded(rows))

    def _pack(self, rows: Any) -> pa.RecordBatch:
        columns = _packed(rows, self.columns, self.keys, 0)
        columns[FILE] = rows.column(SOURCE_FILE)
        columns[ROW] = rows.column(SOURCE_ROW)
        return pa.RecordBatch.from_pydict(columns)


def _packed(rows: Any, kinds: dict[str, str], keys: tuple[str, ...], start: int) -> dict[str, Any]:
    columns = {f"j{i}": key_text(rows.column(name)) for i, name in enumerate(keys)}
    for index, (name, text) in enumerate(kinds.items()):
        columns[position(start + index)] = pack(rows.column(name), parse_type(text))
    return columns


def decoded(rows: Any) -> pa.RecordBatch:
    """Return rows without dictionaries."""
    columns: list[Any] = [
        c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)
