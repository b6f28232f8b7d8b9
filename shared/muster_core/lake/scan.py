"""Reading the rows of one partition of a prepared table: live ones only, merged over its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from muster_core.errors import StoreDamaged
from muster_core.lake.bitmap import read_bitmap
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, MatrixFile, StoreFile
from muster_core.lake.order import CHUNK_ROWS, Order, merge, stream_rows

Bits = NDArray[np.bool_]

#: The newest and the oldest time of a file's rows; None where the file does not say.
Span = tuple[Any, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScan:
    """How the files of a table are read: rows of dead source files left out, in one order."""

    lake: Lake
    dead_sources: Sequence[int]
    order: Order

    def rows(
        self, files: Sequence[StoreFile], columns: Sequence[str], oldest: datetime | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield `_ordinal` and `columns` of the live rows of `files`, newest first over all of them."""
        yield from self.columns(files, [ORDINAL, *columns], oldest)

    def columns(
        self, files: Sequence[StoreFile], names: Sequence[str], oldest: datetime | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield exactly the columns `names` of the live rows, in the same order."""
        for group in self._groups(files):
            if len(group) == 1:
                yield from self._file(group[0], names, oldest, CHUNK_ROWS)
                continue
            needed = list(dict.fromkeys([*names, *self.order.columns]))
            size = stream_rows(len(group))
            streams = [self._file(entry, needed, oldest, size) for entry in group]
            yield from merge(streams, self.order, names)

    def _groups(self, files: Sequence[StoreFile]) -> list[list[StoreFile]]:
        """Return files whose times overlap together, the newest first; each file alone needs no merging."""
        if len(files) < 2 or self.order.time is None:
            return [list(files)] if files else []
        spans = {entry.path: self._span(entry) for entry in files}
        known = {path: span for path, span in spans.items() if span is not None}
        if len(known) < len(files):
            return [list(files)]
        groups: list[list[StoreFile]] = []
        lowest = None
        for entry in sorted(files, key=lambda f: known[f.path][0], reverse=True):
            newest, oldest = known[entry.path]
            if lowest is not None and newest >= lowest:
                groups[-1].append(entry)
                lowest = min(lowest, oldest)
            else:
                groups.append([entry])
                lowest = oldest
        return groups

    def _span(self, entry: StoreFile) -> Span:
        assert self.order.time is not None
        with self.lake.open_input(entry.path) as source:
            file = open_parquet(source, entry, [self.order.time])
            bounds = [bounds_of(file, group, self.order.time) for group in _all_groups(file)]
        known = [b for b in bounds if b is not None]
        if len(known) < len(bounds) or not known:
            return None
        return max(high for _, high in known), min(low for low, _ in known)

    def _file(
        self, entry: StoreFile, names: Sequence[str], oldest: datetime | None, size: int
    ) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys([*names, *([SOURCE_FILE] if self.dead_sources else [])]))
        dead = read_bitmap(self.lake, entry)
        with self.lake.open_input(entry.path) as source:
            file = open_parquet(source, entry, wanted)
            groups = _groups_since(file, self.order.time, oldest)
            at = 0
            batches = file.iter_batches(size, row_groups=groups, columns=wanted, use_threads=False)
            for batch in _intact_batches(batches, entry):
                count = batch.num_rows
                live = self._live_rows(batch, dead, at)
                at += count
                yield (batch if live is None else batch.filter(pa.array(live))).select(list(names))

    def _live_rows(self, batch: Any, dead: Bits | None, at: int) -> Bits | None:
        live: Bits | None = None
        if dead is not None:
            live = ~dead[at : at + batch.num_rows]
        if self.dead_sources:
            position = batch.schema.get_field_index(SOURCE_FILE)
            kept = ~np.isin(batch.column(position).to_numpy(), list(self.dead_sources))
            live = kept if live is None else live & kept
        return live


@contextmanager
def intact(entry: StoreFile | MatrixFile) -> Iterator[None]:
    """Translate what PyArrow says of damaged pages of a prepared file.

    Raises:
        StoreDamaged: the file is not what was written.
    """
    try:
        yield
    except (pa.ArrowInvalid, OSError) as exc:
        raise StoreDamaged(f"The file {entry.path} cannot be read.") from exc


def open_parquet(
    source: Any, entry: StoreFile | MatrixFile, columns: Sequence[str], *, coded: bool = True
) -> Any:
    """Open a prepared file, its text columns read as dictionaries unless `coded` is false.

    Raises:
        StoreDamaged: it is no Parquet, or has not all of these columns.
    """
    try:
        schema = pq.read_schema(source)
        missing = [name for name in columns if schema.get_field_index(name) < 0]
        if missing:
            raise StoreDamaged(f"The file {entry.path} has no column {', '.join(missing)}.")
        text = [n for n in columns if coded and pa.types.is_string(schema.field(n).type)]
        return pq.ParquetFile(source, read_dictionary=text)
    except pa.ArrowException as exc:
        raise StoreDamaged(f"The file {entry.path} cannot be read.") from exc


def _intact_batches(batches: Iterator[Any], entry: StoreFile) -> Iterator[Any]:
    while True:
        with intact(entry):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _all_groups(file: Any) -> list[int]:
    return list(range(file.metadata.num_row_groups))


def _groups_since(file: Any, time: str | None, oldest: datetime | None) -> list[int]:
    """Return the leading row groups that may hold rows at or after `oldest`.

    Row groups stand newest first, so the first one that is too old ends the reading: live rows keep their
    positions in the file, as the bitmap of dead rows wants.
    """
    if time is None or oldest is None:
        return _all_groups(file)
    for group in _all_groups(file):
        bounds = bounds_of(file, group, time)
        if bounds is not None and _is_before(bounds[1], oldest):
            return list(range(group))
    return _all_groups(file)


def _is_before(value: date, oldest: datetime) -> bool:
    """Whether a time is before `oldest`; a date counts as its midnight in UTC."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value < oldest


def bounds_of(file: Any, group: int, column: str) -> tuple[Any, Any] | None:
    """Return the least and the greatest value of a column in a row group; None where that is not known."""
    metadata = file.metadata
    for leaf in range(metadata.num_columns):
        if metadata.schema.column(leaf).path == column:
            statistics = metadata.row_group(group).column(leaf).statistics
            if statistics is not None and statistics.has_min_max:
                return statistics.min, statistics.max
            return None
    return None
