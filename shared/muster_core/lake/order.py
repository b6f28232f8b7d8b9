"""The total order of a table's rows, and merging streams that are each in it: pure Arrow, nothing opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.document import Table
from muster_core.lake.manifest import SOURCE_FILE, SOURCE_ROW

#: Rows handed out at once: large enough for vector speed, small enough to stay in the cache.
CHUNK_ROWS = 65_536

#: Rows of one stream held at once, at least: fewer would cost more calls than they save memory.
_LEAST_ROWS = 8_192

_STREAM, _LAST = "_stream", "_last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What places rows: `time`, then `row_key`, then source file and row; highest first."""

    time: str | None = None
    row_key: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Table) -> Order:
        """Return the order of a catalog table."""
        return cls(time=table.time, row_key=tuple(table.row_key))

    @property
    def ties(self) -> list[str]:
        """Return the columns that order rows of equal time."""
        return [*self.row_key, SOURCE_FILE, SOURCE_ROW]

    @property
    def columns(self) -> list[str]:
        """Return all columns that order rows."""
        return [*([self.time] if self.time else []), *self.ties]


def stream_rows(streams: int, chunk_rows: int = CHUNK_ROWS) -> int:
    """Return how many rows each of so many streams should give at a time."""
    return max(min(_LEAST_ROWS, chunk_rows), chunk_rows // max(1, streams))


def merge(
    streams: Sequence[Iterator[pa.RecordBatch]],
    order: Order,
    columns: Sequence[str],
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Merge streams, each in `order` and with its columns, into chunks of `columns` in `order`.

    One batch of each stream is held at a time, and about `chunk_rows` of what is merged.
    """
    waiting: list[Any] = []
    size = 0
    encoded: set[str] = set()
    for piece in _merged(streams, order, columns, encoded):
        waiting.append(piece)
        size += piece.num_rows
        if size >= chunk_rows:
            whole = pa.concat_tables(waiting)
            full = size - size % chunk_rows
            yield from _chunks(whole.slice(0, full), chunk_rows, encoded)
            waiting, size = [whole.slice(full)], size - full
    if size:
        yield from _chunks(pa.concat_tables(waiting), chunk_rows, encoded)


def _merged(
    streams: Sequence[Iterator[pa.RecordBatch]],
    order: Order,
    columns: Sequence[str],
    encoded: set[str],
) -> Iterator[Any]:
    """Yield tables that follow each other: after each, at least one stream's batch is used up.

    The names of columns that came dictionary-encoded are put into `encoded`.
    """
    names = list(dict.fromkeys([*columns, *order.columns]))
    held: list[Any] = [_next(stream, names, encoded) for stream in streams]
    while True:
        open_streams = [number for number, table in enumerate(held) if table is not None]
        if not open_streams:
            return
        if len(open_streams) == 1:  # nothing is left to merge with
            number = open_streams[0]
            yield held[number].select(list(columns))
            held[number] = _next(streams[number], names, encoded)
            continue
        joined = _joined([held[n] for n in open_streams], open_streams)
        place = _sorted_places(joined, order)
        # the newest of the streams' last rows: what follows it may still be preceded by unread rows
        ends = joined.column(_LAST).take(place)
        taken = int(pc.index(ends, True).as_py()) + 1
        yield joined.take(place[:taken]).select(list(columns))
        rest = joined.take(place[taken:])
        for number in open_streams:
            left = rest.filter(pc.equal(rest.column(_STREAM), number)).select(names)
            held[number] = left if left.num_rows else _next(streams[number], names, encoded)


def _next(stream: Iterator[pa.RecordBatch], names: list[str], encoded: set[str]) -> Any:
    """Return the next rows of a stream, None at its end; dictionaries are undone.

    Joined again and again, dictionaries would keep every text that ever came by.
    """
    for batch in stream:
        if not batch.num_rows:
            continue
        columns = []
        for name in names:
            column: Any = batch.column(batch.schema.get_field_index(name))
            if pa.types.is_dictionary(column.type):
                encoded.add(name)
                column = column.dictionary_decode()
            columns.append(column)
        return pa.table(columns, names=names)
    return None


def _joined(tables: Sequence[Any], numbers: Sequence[int]) -> Any:
    """Return the tables as one, with the number of the stream and whether a row is its table's last."""
    marked = []
    for number, table in zip(numbers, tables, strict=True):
        size = table.num_rows
        last = pa.array([False] * (size - 1) + [True])
        table = table.append_column(_STREAM, pa.repeat(pa.scalar(number, pa.int32()), size))
        marked.append(table.append_column(_LAST, last))
    return pa.concat_tables(marked).combine_chunks()


def _sorted_places(joined: Any, order: Order) -> Any:
    keys = {f"k{i}": sortable(joined.column(n)) for i, n in enumerate(order.columns)}
    by = [(name, "descending") for name in keys]
    return pc.sort_indices(pa.table(keys), sort_keys=by)  # nulls last, which is lowest


def sortable(column: Any) -> Any:
    """Return a column whose missing values, by whatever name, are null and which Arrow can sort."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type):
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _chunks(table: Any, chunk_rows: int, encoded: set[str]) -> Iterator[pa.RecordBatch]:
    for at in range(0, table.num_rows, chunk_rows):
        chunk = table.slice(at, chunk_rows).combine_chunks()
        for position, name in enumerate(chunk.schema.names):
            if name in encoded:
                chunk = chunk.set_column(position, name, chunk.column(position).dictionary_encode())
        yield from chunk.to_batches()
