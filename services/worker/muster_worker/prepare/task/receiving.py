"""The task that writes the rows of one partition from the parcels they were sent in."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.lake.location import Lake
from muster_core.lake.order import sortable
from muster_worker.prepare.interchange import (
    BATCH_ROWS,
    FILE,
    PARCEL_AT,
    PARCEL_FILE,
    PARCEL_SIZE,
    PARTITION,
    ROW,
)
from muster_worker.prepare.task.sending import order_codes
from muster_worker.prepare.task.writing import WriteRows

#: Bytes of parcels that stay in memory; what goes beyond lies in a file without a name meanwhile.
_MOST_HELD = 64 << 20

#: Rows that are sorted and taken at once.
_RANGE_ROWS = 4 * BATCH_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParcels:
    """The task of one partition: merges its parcels into the table's order and lets `rows` write them.

    `order` are the travelling columns that order the table's rows, before source file and row.
    """

    rows: WriteRows
    order: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the one JSON answer of `rows`; none where no parcel came."""
        number = 0
        lake = self.rows.lake
        with Runs(self.order) as runs:
            for parcel in (parcel for batch in batches for parcel in batch.to_pylist()):
                number = parcel[PARTITION]
                # what is mapped into memory is not held in it
                runs.add(read_parcel(lake, parcel), held=not lake.is_local)
            placed = (_at(rows, number) for rows in runs.ordered())
            yield from self.rows(placed)


def read_parcel(lake: Lake, parcel: Mapping[str, Any]) -> Any:
    """Return the rows of a parcel; those of a local lake are mapped."""
    with lake.open_input(parcel[PARCEL_FILE]) as file:
        file.seek(parcel[PARCEL_AT])
        return pa.ipc.open_stream(file.read_buffer(parcel[PARCEL_SIZE])).read_all()


class Runs:
    """Tables of rows as `SendRows` sorted them, to be had as one in the table's order.

    In memory are `_MOST_HELD` bytes of those that are `held` in it, and some `_RANGE_ROWS` that are merged; more
    only where as many rows have the same code.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._order = order
        self._first = order[0] if order else None
        self._held: list[Any] = []
        self._held_bytes = 0
        self._mapped: list[Any] = []
        self._spilled: list[_Spill] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held, self._mapped = [], []
        for spill in self._spilled:
            spill.close()

    def add(self, rows: Any, *, held: bool) -> None:
        """Take in a run.

        Raises:
            OSError: the disk is full.
        """
        if not held:
            self._mapped.append(rows)
            return
        self._held.append(rows)
        self._held_bytes += rows.nbytes
        if self._held_bytes > _MOST_HELD:
            self._spilled.append(_Spill(self._held))
            self._held, self._held_bytes = [], 0

    def ordered(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows, the first of the order first, in batches of `BATCH_ROWS` and a last one of the rest."""
        waiting: list[Any] = []
        size = 0
        for rows in self._ranges():
            waiting.append(rows)
            size += rows.num_rows
            if size >= BATCH_ROWS:
                whole = pa.concat_tables(waiting).combine_chunks()
                full = size - size % BATCH_ROWS
                yield from whole.slice(0, full).to_batches(max_chunksize=BATCH_ROWS)
                waiting, size = [whole.slice(full)], size - full
        if size:
            yield from pa.concat_tables(waiting).combine_chunks().to_batches()

    def _ranges(self) -> Iterator[Any]:
        runs = [run for spill in self._spilled for run in spill.runs]
        runs += [*self._held, *self._mapped]
        # descending codes ascend when every bit is turned round, which no number overflows
        codes = [~order_codes(run, self._first) for run in runs]
        starts = [0] * len(runs)
        for cut in [*_cuts(codes), None]:
            ends = [
                len(code) if cut is None else int(np.searchsorted(code, cut, side="right"))
                for code in codes
            ]
            pieces = [
                run.slice(start, end - start)
                for run, start, end in zip(runs, starts, ends, strict=True)
                if end > start
            ]
            starts = ends
            if pieces:
                yield self._sorted(pa.concat_tables(pieces).combine_chunks())

    def _sorted(self, rows: Any) -> Any:
        codes = ~order_codes(rows, self._first)
        order = np.argsort(codes, kind="stable")
        equal = np.diff(codes[order]) == 0
        tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
        if len(tied):
            # those of one code stand together, so sorted among themselves they fill the same places
            among = order[tied]
            columns = [sortable(rows.column(name)) for name in self._order]
            columns += [rows.column(FILE), rows.column(ROW)]
            keys = {f"k{i}": column.take(pa.array(among)) for i, column in enumerate(columns)}
            by = [("code", "ascending"), *((name, "descending") for name in keys)]
            table = pa.table({"code": codes[among], **keys})
            order[tied] = among[pc.sort_indices(table, sort_keys=by).to_numpy()]  # nulls last
        return rows.take(pa.array(order))


class _Spill:
    """Runs in a file that has no name, so that it is gone with the process, whatever ends that."""

    def __init__(self, runs: Sequence[Any]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            with pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), runs[0].schema) as writer:
                for run in runs:
                    writer.write_batch(run.combine_chunks().to_batches()[0])
            self._file.flush()
            mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            reader = pa.ipc.open_file(pa.py_buffer(mapped))
        except BaseException:
            self._file.close()
            raise
        self.runs = [
            pa.Table.from_batches([reader.get_batch(i)]) for i in range(reader.num_record_batches)
        ]

    def close(self) -> None:
        """Give the file's space back once nobody reads its rows."""
        self.runs = []
        self._file.close()


def _cuts(codes: Sequence[NDArray[np.int64]]) -> list[int]:
    """Return codes, ascending, between which lie about `_RANGE_ROWS` rows, or more where they are equal."""
    step = max(1, _RANGE_ROWS // (4 * max(1, len(codes))))
    samples = np.sort(
        np.concatenate([np.zeros(0, np.int64), *(c[step - 1 :: step] for c in codes)])
    )
    every = max(1, _RANGE_ROWS // step)
    return [int(cut) for cut in np.unique(samples[every - 1 :: every])]


def _at(rows: pa.RecordBatch, number: int) -> pa.RecordBatch:
    partition = pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows)
    return rows.append_column(PARTITION, partition)
