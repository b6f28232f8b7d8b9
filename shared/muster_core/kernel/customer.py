"""One customer of a partition, as a partition of its own: what is decided of it is decided of nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.kernel.source import Bits, Partition
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, SOURCE_ROW


class OneCustomer:
    """A `muster_core.kernel.source.Partition` of one ordinal; each table is read once, with all its columns."""

    def __init__(
        self, whole: Partition, ordinal: int, columns: Mapping[str, Sequence[str]]
    ) -> None:
        """Take the partition, the customer's place in it, and the columns that each table has in the store."""
        self._whole = whole
        self._ordinal = ordinal
        self._columns = columns
        self._tables: dict[str, Any] = {}

    @property
    def size(self) -> int:
        """Return one."""
        return 1

    def alive(self) -> Bits:
        """Return whether the customer exists in this snapshot."""
        return self._whole.alive()[self._ordinal : self._ordinal + 1]

    def profile(self, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return the customer's values."""
        found = self._whole.profile(columns)
        return {name: values.slice(self._ordinal, 1) for name, values in found.items()}

    def rows(
        self, table: str, columns: Sequence[str], *, oldest: datetime | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the customer's rows at once, whatever `oldest` says."""
        held: Any = self.table(table).select([ORDINAL, *columns])
        yield from held.to_batches()

    def table(self, table: str) -> Any:
        """Return all rows of the customer in a table, newest first, every column of it, as one chunk."""
        known = self._tables.get(table)
        if known is None:
            names = [*self._columns[table], SOURCE_FILE, SOURCE_ROW]
            own = [self._own(batch) for batch in self._whole.rows(table, names)]
            whole = pa.Table.from_batches(own) if own else _nothing(names)
            known = self._tables[table] = whole.unify_dictionaries().combine_chunks()
        return known

    def row_count(self, table: str) -> int:
        """Return how many rows the customer has."""
        return int(self.table(table).num_rows)

    def order_columns(self, table: str) -> list[str]:
        """Return the columns that order rows of equal time."""
        return self._whole.order_columns(table)

    def dimension(self, table: str, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return columns of a dimension."""
        return self._whole.dimension(table, columns)

    def members(self, manifest: str, sha256: str, bit: int) -> Bits:
        """Return whether the customer is a member of an earlier version."""
        found = self._whole.members(manifest, sha256, bit)
        return found[self._ordinal : self._ordinal + 1]

    def _own(self, batch: Any) -> Any:
        place = batch.schema.get_field_index(ORDINAL)
        mine = pc.equal(batch.column(place), self._ordinal)
        own = batch.filter(mine)
        zeros = pa.array(np.zeros(own.num_rows, dtype=np.int32))
        return own.set_column(place, ORDINAL, zeros)


def _nothing(names: Sequence[str]) -> Any:
    columns = {ORDINAL: pa.array([], pa.int32())}
    return pa.table(columns | {name: pa.array([], pa.null()) for name in names})
