"""One pass over the rows of a table that feeds every aggregate of a plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.kernel.column import Column
from muster_core.kernel.filter import passing
from muster_core.kernel.fold import Count, Extreme, Index, WholeSum
from muster_core.kernel.gather import Outside
from muster_core.kernel.held import Held
from muster_core.kernel.node import (
    AnyFold,
    Fold,
    GroupNode,
    HeldFold,
    LastRowFold,
    PeriodsFold,
    RowNode,
    SequenceFold,
    TablePlan,
)
from muster_core.kernel.period import Periods
from muster_core.kernel.pick import Earliest, Latest, Ordered
from muster_core.kernel.reach import rows_needed
from muster_core.kernel.result import AnyAccumulator, Result, finish, make_accumulator
from muster_core.kernel.sequence import Sequences
from muster_core.kernel.source import Bits, Partition
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, SOURCE_ROW
from muster_core.rules.instant import EPOCH
from muster_core.rules.predicate import SameRow, TextIn

#: Stands for a missing time: before everything, and never visible.
_NEVER = np.iinfo(np.int64).min

Selection = tuple[int | None, int | None, int | None]


def scan_table(
    name: str, table: TablePlan, partition: Partition, places: Sequence[int] | None = None
) -> list[Result]:
    """Return the results of the folds of `table` at `places`, in this order; None: of all of them."""
    folds = table.folds if places is None else tuple(table.folds[place] for place in places)
    ties = [*table.row_key, SOURCE_FILE, SOURCE_ROW]
    dates = table.time_kind == Kind.DATE
    accumulators = [
        make_accumulator(fold, partition.size, dates=dates, ties=len(ties)) for fold in folds
    ]
    steps = nested_windows(folds)
    scan = _Scan(table, folds, accumulators, steps, Outside(partition, table.gathered), ties)
    for batch in partition.rows(name, scan.columns, oldest=scan.oldest):
        if batch.num_rows:
            scan.update(batch)
    for wider, narrower in steps:
        _absorb(accumulators[wider], accumulators[narrower])
    return [
        finish(fold, accumulator) for fold, accumulator in zip(folds, accumulators, strict=True)
    ]


def nested_windows(folds: Sequence[AnyFold]) -> list[tuple[int, int]]:
    """Return pairs (wider, narrower) of folds that differ only in how far back they look, nearest first.

    The wider one needs only the rows the narrower one does not see, and takes over its result, so each row is
    added once whatever the number of windows. Doubles are left alone: they are added in the order of the rows.
    """
    families: dict[object, list[int]] = defaultdict(list)
    for place, fold in enumerate(folds):
        if isinstance(fold, Fold) and fold.function not in ("count_distinct", "first", "last"):
            floating = fold.kind is not None and parse_type(fold.kind).kind is Kind.FLOAT
            if not (floating and fold.function in ("sum", "avg")):
                families[fold.where, fold.high, fold.function, fold.column].append(place)
    steps: list[tuple[int, int]] = []
    for family in families.values():
        family.sort(key=lambda place: _closed(selection(folds[place])[1], None)[0], reverse=True)
        steps += zip(family[1:], family, strict=False)
    return steps


def selection(fold: AnyFold) -> Selection:
    """Return which rows a fold takes: those that pass a row node inside time bounds."""
    match fold:
        case Fold():
            return fold.where, fold.low, fold.high
        case LastRowFold():
            return fold.where, None, fold.high
        case SequenceFold():
            return None, fold.low, fold.visible
        case PeriodsFold():
            return fold.where, fold.edges[-1] + 1, fold.edges[0]
        case HeldFold():
            return None, None, fold.visible


def _absorb(wider: AnyAccumulator, narrower: AnyAccumulator) -> None:
    for kind in (Count, WholeSum, Extreme):
        if isinstance(wider, kind):
            assert isinstance(narrower, kind)
            wider.absorb(narrower)  # type: ignore[arg-type]


class _Scan:
    def __init__(
        self,
        table: TablePlan,
        folds: Sequence[AnyFold],
        accumulators: list[AnyAccumulator],
        steps: Sequence[tuple[int, int]],
        outside: Outside,
        ties: list[str],
    ) -> None:
        self._table = table
        self._folds = folds
        self._outside = outside
        self._ties = ties
        selections = [selection(fold) for fold in folds]
        highs = [high for _, _, high in selections]
        for wider, narrower in steps:
            low, high = selections[narrower][1], highs[narrower]
            assert low is not None  # of two different bounds the later one is no open side
            # A window may begin after everything visible: then there is nothing to take over.
            highs[wider] = low - 1 if high is None else min(low - 1, high)
        self._kinds = column_kinds(table, folds)
        # Folds over the same rows share one selection of them.
        self._groups: dict[Selection, list[tuple[AnyFold, AnyAccumulator]]] = defaultdict(list)
        for fold, (where, low, _), high, accumulator in zip(
            folds, selections, highs, accumulators, strict=True
        ):
            self._groups[where, low, high].append((fold, accumulator))

    @property
    def columns(self) -> list[str]:
        """Return the columns to read."""
        own = {name for name in self._kinds if name not in self._outside}
        ordered = any(isinstance(f, Fold) and f.order_by is not None for f in self._folds)
        ties = self._ties if ordered else []
        return sorted(own | self._outside.rows_needed(self._kinds) | set(ties))

    @property
    def oldest(self) -> datetime | None:
        """Return the time before which no fold wants rows, if there is one."""
        lows = [low for _, low, _ in self._groups]
        known = [low for low in lows if low is not None]
        if self._table.time is None or len(known) < len(lows):
            return None
        if self._table.time_kind == Kind.DATE:
            return EPOCH + timedelta(days=min(known))
        return EPOCH + timedelta(microseconds=min(known))

    def update(self, batch: pa.RecordBatch) -> None:
        """Feed one chunk to every fold whose time bounds it touches."""
        times = None
        if self._table.time is not None:
            times = times_of(batch, self._table.time, self._kinds[self._table.time])
        span = _Span(times, batch.num_rows)
        wanted = {key: place for key in self._groups if (place := span.rows(key[1], key[2]))}
        if not wanted:
            return
        first = min(place.start for place in wanted.values())
        last = max(place.stop for place in wanted.values())
        chunk = Chunk(
            batch.slice(first, last - first),
            None if times is None else times[first:last],
            self._kinds,
            self._table.rows,
            self._outside,
        )
        for key, place in wanted.items():
            inside = slice(place.start - first, place.stop - first)
            exact = None if span.ordered else span.mask(key[1], key[2])[first:last]
            self._feed(chunk, key, inside, exact)

    def _feed(self, chunk: Chunk, key: Selection, inside: slice, exact: Bits | None) -> None:
        rows: Any = inside
        if key[0] is not None or exact is not None:
            mask = chunk.mask(key[0])[inside]
            if exact is not None:
                mask = mask & exact[inside]
            rows = np.flatnonzero(mask) + inside.start
            if not len(rows):
                return
        ordinals = chunk.ordinals[rows]
        for fold, accumulator in self._groups[key]:
            self._take(fold, accumulator, chunk, ordinals, rows)

    def _take(
        self, fold: AnyFold, accumulator: Any, chunk: Chunk, ordinals: Index, rows: Index | slice
    ) -> None:
        """Give an accumulator what its fold wants of the chosen rows."""
        match fold, accumulator:
            case Fold(), Latest() | Earliest():
                accumulator.update(ordinals, _chosen(chunk.column(fold.column or ""), rows).array)
            case Fold(), Ordered():
                value, by = (chunk.column(name or "") for name in (fold.column, fold.order_by))
                ties = [_taken(chunk.array(name), rows) for name in self._ties]
                accumulator.update(ordinals, _chosen(value, rows).array, _chosen(by, rows), ties)
            case Fold(), _:
                column = None if fold.column is None else chunk.column(fold.column)
                accumulator.update(ordinals, column, rows)
            case LastRowFold(), Latest():
                accumulator.update(ordinals, pa.array(chunk.mask(fold.having)[rows]))
            case SequenceFold(), Sequences():
                steps = [chunk.mask(step)[rows] for step in fold.steps]
                accumulator.update(ordinals, chunk.times[rows], steps)
            case PeriodsFold(), Periods():
                accumulator.update(ordinals, chunk.times[rows])
            case HeldFold(), Held():
                kept = chunk.held(fold)[rows]
                passed = chunk.passing(fold.value, fold.predicate)[rows]
                accumulator.update(ordinals[kept], chunk.times[rows][kept], passed[kept])
            case _:
                raise AssertionError("an accumulator of another fold")


def _taken(array: Any, rows: Index | slice) -> Any:
    if isinstance(rows, slice):
        return array.slice(rows.start, rows.stop - rows.start)
    return array.take(pa.array(rows))


def _chosen(column: Column, rows: Index | slice) -> Column:
    return Column(_taken(column.array, rows), column.kind)


def column_kinds(table: TablePlan, folds: Sequence[AnyFold]) -> dict[str, ColumnType]:
    """Return every column a pass over `folds` reads, with its type."""
    kinds: dict[str, str] = {}
    if table.time is not None and table.time_kind is not None:
        kinds[table.time] = table.time_kind
    for fold in folds:
        kinds |= _fold_kinds(fold)
    for place in sorted(rows_needed(table.rows, folds)):
        row = table.rows[place]
        if not isinstance(row, GroupNode):
            kinds[row.column] = row.kind
            if isinstance(row.predicate, SameRow):
                kinds[row.predicate.other] = row.predicate.other_type
    return {name: parse_type(kind) for name, kind in kinds.items()}


def _fold_kinds(fold: AnyFold) -> dict[str, str]:
    if isinstance(fold, HeldFold):
        return {fold.field: fold.field_kind, fold.value: fold.value_kind}
    if not isinstance(fold, Fold):
        return {}
    named = ((fold.column, fold.kind), (fold.order_by, fold.order_kind))
    return {name: kind for name, kind in named if name is not None and kind is not None}


def times_of(batch: Any, name: str, kind: ColumnType) -> NDArray[np.int64]:
    """Return the rows' times in the terms of their column; a missing one is before every bound."""
    column = Column(batch.column(batch.schema.get_field_index(name)), kind)
    times: NDArray[np.int64] = column.whole
    return times if column.valid.all() else np.where(column.valid, times, _NEVER)


class _Span:
    """Where time bounds lie in a chunk; in a chunk ordered newest first each is one slice."""

    def __init__(self, times: NDArray[np.int64] | None, rows: int) -> None:
        self._rows = rows
        self._times = times
        self.ordered = times is None or bool((times[:-1] >= times[1:]).all())
        self._rising = times[::-1] if times is not None and self.ordered else None
        self._extremes = (0, 0) if times is None else (int(times.min()), int(times.max()))

    def rows(self, low: int | None, high: int | None) -> slice | None:
        """Return the slice that holds all rows within the bounds, or None if there are none."""
        if self._times is None:
            return slice(0, self._rows)
        low, high = _closed(low, high)
        if self._rising is None:
            least, greatest = self._extremes
            return slice(0, self._rows) if low <= greatest and high >= least else None
        start = self._rows - int(np.searchsorted(self._rising, high, side="right"))
        stop = self._rows - int(np.searchsorted(self._rising, low, side="left"))
        return slice(start, stop) if start < stop else None

    def mask(self, low: int | None, high: int | None) -> Bits:
        """Return which rows lie within the bounds."""
        assert self._times is not None
        low, high = _closed(low, high)
        found: Bits = (self._times >= low) & (self._times <= high)
        return found


def _closed(low: int | None, high: int | None) -> tuple[int, int]:
    limits = np.iinfo(np.int64)
    return (_NEVER + 1 if low is None else low), (int(limits.max) if high is None else high)


class Chunk:
    """The rows of a chunk that some fold wants, each column and row mask made once."""

    def __init__(
        self,
        batch: Any,
        times: NDArray[np.int64] | None,
        kinds: dict[str, ColumnType],
        nodes: tuple[RowNode, ...],
        outside: Outside,
    ) -> None:
        self._batch = batch
        self._times = times
        self._kinds = kinds
        self._nodes = nodes
        self._outside = outside
        self._columns: dict[str, Column] = {}
        self._places: dict[str, Any] = {}
        self._masks: dict[int, Bits] = {}
        self._fields: dict[tuple[str, str], Bits] = {}
        self.ordinals = self.array(ORDINAL).to_numpy(zero_copy_only=False).astype(np.int64)

    @property
    def times(self) -> NDArray[np.int64]:
        """Return the rows' times in the terms of the time column."""
        assert self._times is not None
        return self._times

    def array(self, name: str) -> Any:
        """Return a column of the rows as it was read."""
        return self._batch.column(self._batch.schema.get_field_index(name))

    def column(self, name: str, kind: str | None = None) -> Column:
        """Return a column of the rows or one that they lead to, made once."""
        found = self._columns.get(name)
        if found is None:
            if name in self._outside:
                found = self._outside.gathered(name, self._found(name))
            else:
                found = Column(self.array(name), self._kinds[name])
            self._columns[name] = found
        return found

    def passing(self, name: str, predicate: Any) -> Bits:
        """Return which rows' values in a column pass."""
        if name in self._outside and not isinstance(predicate, SameRow):
            return self._outside.passing(name, predicate, self._found(name))
        return passing(predicate, self.column(name), self.column)

    def held(self, fold: HeldFold) -> Bits:
        """Return which rows are about the attribute a fold follows."""
        known = self._fields.get((fold.field, fold.name))
        if known is None:
            known = self.passing(fold.field, TextIn(texts=(fold.name,)))
            self._fields[fold.field, fold.name] = known
        return known

    def mask(self, node: int | None) -> Bits:
        """Return which rows pass a row node."""
        if node is None:
            return np.ones(self._batch.num_rows, dtype=np.bool_)
        found = self._masks.get(node)
        if found is None:
            found = self._masks[node] = self._evaluate(self._nodes[node])
        return found

    def _found(self, name: str) -> Any:
        known = self._places.get(name)
        if known is None:
            known = self._places[name] = self._outside.places(name, self.array, self.ordinals)
        return known

    def _evaluate(self, node: RowNode) -> Bits:
        if not isinstance(node, GroupNode):
            return self.passing(node.column, node.predicate)
        if node.node == "not":
            return ~self.mask(node.of[0])
        if not node.of:
            return np.zeros(self._batch.num_rows, dtype=np.bool_)
        found = self.mask(node.of[0])
        for part in node.of[1:]:
            found = found & self.mask(part) if node.node == "and" else found | self.mask(part)
        return found
