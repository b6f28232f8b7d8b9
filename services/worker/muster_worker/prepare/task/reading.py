"""The task that reads runs of row groups of source files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.catalog.type import parse_type
from muster_core.lake.dead import DeadRows
from muster_core.lake.key import key_text
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
        columns = {f"j{i}": key_text(rows.column(name)) for i, name in enumerate(self.keys)}
        for index, (name, text) in enumerate(self.reader.columns.items()):
            columns[position(self.start + index)] = pack(rows.column(name), parse_type(text))
        columns[FILE] = pa.array(np.full(size, number, dtype=np.int32))
        columns[ROW] = pa.array(np.arange(first, first + size, dtype=np.int64))
        return pa.RecordBatch.from_pydict(columns)
