"""The task that sends rows to their customers' partitions: many as one parcel, through a passing file of the lake.

The engine only tells where the parcels lie, so no row goes through its own memory, and it sorts nothing: each
parcel is sorted here, and merged with the others where it is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.lake.key import first_bytes, partition_hashes
from muster_core.lake.location import Lake
from muster_worker.prepare.interchange import (
    FATE,
    FILE,
    KEY,
    ORDINARY,
    PARCEL_AT,
    PARCEL_FILE,
    PARCEL_SIZE,
    PARTITION,
    PARTNER,
    ROW,
    WITHOUT_CUSTOMER,
)

Batches = Iterable[pa.RecordBatch]

#: What is cut into parcels at once: rows and bytes, at most, but for the batch that goes beyond.
_MOST_ROWS = 500_000
_MOST_BYTES = 32 << 20

_LOWEST = np.iinfo(np.int64).min
_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRows:
    """The task: rows as they travel in, parcels out; their files are put into the folder `directory`.

    `first` is the column that orders the table's rows before all others; None: their place in the source does.
    """

    lake: Lake
    directory: str
    partitions: int
    first: str | None
    #: What the rows come from where they are not given: a task that reads them.
    read: Callable[[Batches], Iterator[pa.RecordBatch]] | None = None

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Yield the parcels of some hundred thousand rows at a time."""
        rows = batches if self.read is None else map(addressed, self.read(batches))
        for table in _gathered(rows):
            yield self._parcels(table)

    def _parcels(self, rows: Any) -> pa.RecordBatch:
        placed = place(rows, self.partitions)
        newest = np.argsort(~order_codes(rows, self.first), kind="stable")
        order = newest[np.argsort(placed[newest], kind="stable")]
        rows = rows.drop_columns([PARTNER]).take(pa.array(order)).combine_chunks()
        ends = np.cumsum(np.bincount(placed, minlength=self.partitions))
        starts = np.concatenate([[0], ends[:-1]])
        numbers = np.flatnonzero(ends > starts)
        path, offsets = f"{self.directory}/{uuid.uuid4().hex}.arrows", [0]
        with self.lake.open_passing(path) as output:
            sink = pa.PythonFile(output, mode="w")
            for start, end in zip(starts[numbers].tolist(), ends[numbers].tolist(), strict=True):
                with pa.ipc.new_stream(sink, rows.schema) as writer:
                    writer.write_table(rows.slice(start, end - start))
                offsets.append(output.size)
        return pa.RecordBatch.from_pydict(
            {
                PARTITION: pa.array(numbers.astype(np.int32)),
                PARCEL_FILE: pa.repeat(path, len(numbers)),
                PARCEL_AT: pa.array(offsets[:-1], pa.int64()),
                PARCEL_SIZE: pa.array(np.diff(offsets), pa.int64()),
            }
        )


def place(rows: Any, partitions: int) -> NDArray[np.uint16]:
    """Return the partition of each row: by the hash of whom it refers to.

    Rows of nobody are only counted: they are spread evenly, for guests may own half a table.
    """
    mask = np.uint64(partitions - 1)
    nobody = pc.equal(rows.column(FATE), WITHOUT_CUSTOMER).to_numpy()
    by_row = rows.column(ROW).to_numpy().astype(np.uint64) & mask
    by_key = partition_hashes(rows.column(PARTNER)) & mask
    found: NDArray[np.uint16] = np.where(nobody, by_row, by_key).astype(np.uint16)
    return found


def addressed(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows that refer to their customer themselves, read with that one key, as they travel on."""
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    key = columns.pop("j0")
    nobody = key.is_null()
    fate = pc.if_else(
        nobody, pa.scalar(WITHOUT_CUSTOMER, pa.int32()), pa.scalar(ORDINARY, pa.int32())
    )
    return pa.RecordBatch.from_pydict({KEY: key, PARTNER: key, FATE: fate, **columns})


def order_codes(rows: Any, first: str | None) -> NDArray[np.int64]:
    """Return a number for each row that is higher where the row comes earlier; equal numbers decide nothing.

    Rows of a higher number never come after rows of a lower one in the order of
    `muster_core.lake.order.Order`, of whose columns `first` is the first.
    """
    codes: NDArray[np.int64]
    if first is None:
        files = rows.column(FILE).to_numpy().astype(np.int64)
        codes = (files << 36) + np.minimum(rows.column(ROW).to_numpy(), (1 << 36) - 1)
        return codes
    column = rows.column(first)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_string(column.type):
        codes = (first_bytes(column) ^ _SIGN).view(np.int64)
    elif pa.types.is_floating(column.type):
        # negative zero is zero; the bits of negative numbers count downwards
        bits = (column.fill_null(np.nan).to_numpy(zero_copy_only=False) + 0.0).view(np.int64)
        codes = np.where(bits < 0, bits ^ np.int64(np.iinfo(np.int64).max), bits)
        codes[pc.is_nan(column).fill_null(True).to_numpy(zero_copy_only=False)] = _LOWEST
        return codes
    elif pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        whole = column.cast(pa.int64()).fill_null(int(_LOWEST))
        return np.asarray(whole.to_numpy(zero_copy_only=False))
    else:
        return np.zeros(len(column), dtype=np.int64)
    if column.null_count:
        codes[column.is_null().to_numpy(zero_copy_only=False)] = _LOWEST
    return codes


def _gathered(batches: Batches) -> Iterator[Any]:
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _MOST_ROWS or size >= _MOST_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting)
