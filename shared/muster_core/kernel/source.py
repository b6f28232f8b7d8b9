"""What a kernel reads from: one partition of the store, whoever provides it.

The lake provides it from files (`muster_core.lake.store`), tests from small Arrow tables
(`muster_core.kernel.source.ArrowPartition`). Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, SOURCE_ROW
from muster_core.lake.order import Order, merge, stream_rows

Bits = NDArray[np.bool_]


class Partition(Protocol):
    """The customers of one hash partition and their rows.

    Column types are those of the store: text as ``string`` or ``dictionary<int32, string>``, integers
    ``int64``, decimals ``decimal128(p, s)``, floats ``float64``, booleans ``bool``, dates ``date32``,
    timestamps ``timestamp('us', 'UTC')``, arrays ``list<...>`` of these.
    """

    @property
    def size(self) -> int:
        """Return the number of ordinals given out."""
        ...

    def alive(self) -> Bits:
        """Return, per ordinal, whether the customer exists in this snapshot; shape (size,)."""
        ...

    def profile(self, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return profile columns by name, each of length `size`, in ordinal order."""
        ...

    def rows(
        self, table: str, columns: Sequence[str], *, oldest: datetime | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the live rows of `table` in chunks, in the table's total order, newest first.

        That is the exact reverse of (time, row key, source file, source row), whatever the number of files
        the rows lie in; a missing value of the row key (empty text, NaN) is the lowest. Each chunk has
        `_ordinal` (int32) and `columns`, among which `_source_file` (int32) and `_source_row` (int64) may be
        asked for. Rows whose time is before `oldest` (or missing) may be left out; a DATE counts as its
        midnight in UTC here.
        """
        ...

    def row_count(self, table: str) -> int:
        """Return how many rows of `table` the partition has, those included that `rows` leaves out."""
        ...

    def order_columns(self, table: str) -> list[str]:
        """Return the columns that order rows of equal time: the row key, `_source_file`, `_source_row`."""
        ...

    def dimension(self, table: str, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return columns of a dimension by name, all of one length, rows in the order of its first key.

        The same object comes back for every partition of a process, so what is made of it may be kept.
        """
        ...

    def members(self, manifest: str, sha256: str, bit: int) -> Bits:
        """Return an earlier version's members, padded with False or cut to `size`; shape (size,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowPartition:
    """A partition held in memory, for previews and tests.

    A table may come as several Arrow tables, each newest first, as a partition's files do; `order` then says
    by what they are merged. `_source_file` and `_source_row` follow from the places of the rows in a table
    that does not have them.
    """

    customers: pa.Table
    tables: Mapping[str, pa.Table | Sequence[pa.Table]]
    live: Bits
    earlier: Mapping[tuple[str, int], Bits]
    chunk_rows: int = 65_536
    dimensions: Mapping[str, pa.Table] = field(default_factory=dict)
    order: Mapping[str, Order] = field(default_factory=dict)
    _columns: dict[tuple[str, str], pa.ChunkedArray] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @property
    def size(self) -> int:
        """Return the number of ordinals."""
        return int(self.customers.num_rows)

    def alive(self) -> Bits:
        """Return which ordinals are alive."""
        return self.live

    def profile(self, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return the named profile columns."""
        return {name: self.customers.column(name) for name in columns}

    def rows(
        self, table: str, columns: Sequence[str], *, oldest: datetime | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `table` in chunks of `chunk_rows`, whatever `oldest` says."""
        found = self.tables[table]
        files = [found] if isinstance(found, pa.Table) else list(found)
        placed = [_with_places(file, number) for number, file in enumerate(files)]
        names = [ORDINAL, *columns]
        if len(placed) == 1:
            chosen: Any = placed[0].select(names)
            yield from chosen.to_batches(max_chunksize=self.chunk_rows)
            return
        size = stream_rows(len(placed), self.chunk_rows)
        streams = [iter(file.to_batches(max_chunksize=size)) for file in placed]
        yield from merge(streams, self.order[table], names, chunk_rows=self.chunk_rows)

    def row_count(self, table: str) -> int:
        """Return the number of rows of `table`."""
        found = self.tables[table]
        files = [found] if isinstance(found, pa.Table) else found
        return sum(int(file.num_rows) for file in files)

    def order_columns(self, table: str) -> list[str]:
        """Return the columns that order rows of equal time."""
        return self.order.get(table, Order()).ties

    def dimension(self, table: str, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return the named columns of a dimension, the same objects each time."""
        for name in columns:
            if (table, name) not in self._columns:
                self._columns[table, name] = self.dimensions[table].column(name)
        return {name: self._columns[table, name] for name in columns}

    def members(self, manifest: str, sha256: str, bit: int) -> Bits:
        """Return the members of an earlier version."""
        known = self.earlier[manifest, bit][: self.size]
        padded = np.zeros(self.size, dtype=np.bool_)
        padded[: len(known)] = known
        return padded


def _with_places(file: Any, number: int) -> Any:
    """Return a table that has the columns which say where a row comes from: the first row is the highest."""
    if SOURCE_FILE not in file.schema.names:
        places = pa.array(np.full(file.num_rows, number, dtype=np.int32))
        file = file.append_column(SOURCE_FILE, places)
    if SOURCE_ROW not in file.schema.names:
        file = file.append_column(SOURCE_ROW, pa.array(np.arange(file.num_rows)[::-1].copy()))
    return file
