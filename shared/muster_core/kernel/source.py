"""What a kernel reads from: one partition of the store, whoever provides it.

The lake provides it from files (`muster_core.lake.store`), tests from small Arrow tables
(`muster_core.kernel.source.ArrowPartition`). Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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
        """Yield the live rows of `table` in chunks, newest first within each file.

        Each chunk has `_ordinal` (int32) and `columns`. Rows whose time is before `oldest` (or missing)
        may be left out; a DATE counts as its midnight in UTC here.
        """
        ...

    def members(self, manifest: str, sha256: str, bit: int) -> Bits:
        """Return an earlier version's members, padded with False or cut to `size`; shape (size,)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowPartition:
    """A partition held in memory, for previews and tests."""

    customers: pa.Table
    tables: Mapping[str, pa.Table]
    live: Bits
    earlier: Mapping[tuple[str, int], Bits]
    chunk_rows: int = 65_536

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
        chosen: Any = self.tables[table].select(["_ordinal", *columns])
        yield from chosen.to_batches(max_chunksize=self.chunk_rows)

    def members(self, manifest: str, sha256: str, bit: int) -> Bits:
        """Return the members of an earlier version."""
        known = self.earlier[manifest, bit][: self.size]
        padded = np.zeros(self.size, dtype=np.bool_)
        padded[: len(known)] = known
        return padded
