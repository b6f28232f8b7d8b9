"""Conditions on the order of a customer's rows in time: first, last, sequences, periods and held values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from muster_core.catalog.document import History
from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.comparison import INTEGER, compile_comparison
from muster_core.rules.condition import FirstRow, Held, LastRow, Periods, RelatedRows, Sequence
from muster_core.rules.duration import Duration, parse_duration, shift
from muster_core.rules.instant import to_micros
from muster_core.rules.misfit import Misfit
from muster_core.rules.predicate import IsSet, WholeRanges
from muster_core.rules.resolution import (
    AggregateFold,
    HeldRows,
    LatestFold,
    PeriodRows,
    Resolved,
    RowsTest,
    SequenceRows,
)
from muster_core.rules.row import RowResolver, no_time
from muster_core.rules.scope import Scope, ScopeColumn, Scopes, nearest
from muster_core.rules.value import ColumnValue, Scalar, Window
from muster_core.rules.window import Bounds, column_bounds, window_bounds

_TEXT = ColumnType(kind=Kind.TEXT)


@dataclass(slots=True, kw_only=True)
class TimelineResolver:
    """Resolves the kinds that need a table's time; each returns None with at least one problem more."""

    scopes: Scopes
    rows: RowResolver

    def first_row(self, node: FirstRow, pointer: str, depth: int) -> RowsTest | None:
        """Return a condition on the time of the earliest visible row."""
        before = len(self.rows.notes.problems)
        scope, where = self._related(node, "first row", pointer, depth)
        bounds: Bounds = (None, None)
        with self.rows.notes.noting(pointer):
            bounds = self._window(node.window, scope)
        if len(self.rows.notes.problems) > before:
            return None
        assert scope.time is not None
        column = scope.find(scope.time)
        fold = AggregateFold(
            scope=scope,
            where=where,
            low=None,
            high=self.rows.latest(scope),
            function="min",
            column=column,
            order_by=None,
            result=column.kind,
        )
        return RowsTest(pointer=pointer, fold=fold, predicate=WholeRanges(ranges=(bounds,)))

    def last_row(self, node: LastRow, pointer: str, depth: int) -> RowsTest | None:
        """Return a condition on the latest visible row."""
        before = len(self.rows.notes.problems)
        scope, where = self._related(node, "last row", pointer, depth)
        having = self.rows.condition(node.having, scope, f"{pointer}/having", depth + 1)
        if len(self.rows.notes.problems) > before or having is None:
            return None
        fold = LatestFold(scope=scope, where=where, high=self.rows.latest(scope), having=having)
        return RowsTest(pointer=pointer, fold=fold, predicate=IsSet())

    def sequence(self, node: Sequence, pointer: str, depth: int) -> RowsTest | None:
        """Return a condition on rows that follow one another."""
        notes = self.rows.notes
        before = len(notes.problems)
        scope = self._timed(self.scopes.table(node.table, node.via), "sequence")
        steps = [
            self.rows.condition(step, scope, f"{pointer}/steps/{i}", depth + 1)
            for i, step in enumerate(node.steps)
        ]
        low: int | None = None
        high: int | None = None
        with notes.noting(pointer):
            low, high = self._window(node.window, scope)
        if len(notes.problems) > before:
            return None
        within = parse_duration(node.within)
        latest = self.rows.latest(scope)
        assert scope.time_kind is not None
        # the zone decides calendar steps, and where a date's midnight is; nothing else
        local = bool(within.months) or scope.time_kind.kind is Kind.DATE
        fold = SequenceRows(
            scope=scope,
            steps=tuple(step for step in steps if step is not None),
            low=low,
            high=latest if high is None else min(high, latest),
            visible=latest,
            seconds=within.seconds,
            months=within.months,
            zone=self.rows.frame.zone.key if local else "UTC",
        )
        return RowsTest(pointer=pointer, fold=fold, predicate=IsSet())

    def periods(self, node: Periods, pointer: str, depth: int) -> RowsTest | None:
        """Return a condition on the row counts of equal periods."""
        notes = self.rows.notes
        before = len(notes.problems)
        scope, where = self._related(node, "periods", pointer, depth)
        if node.at_least > node.of_last:
            message = "at_least is at most of_last"
            notes.add(Misfit(message, "/at_least"), pointer)
        predicate = None
        if isinstance(node.value, ColumnValue):
            notes.add(Misfit("a count is not compared with a column"), pointer)
        else:
            found = compile_comparison(INTEGER, node.compare, node.value, frame=self.rows.frame)
            predicate = self.rows.noted(found, pointer)
        edges: tuple[int, ...] = ()
        with notes.noting(pointer):
            edges = self._edges(node, scope)
        if len(notes.problems) > before or predicate is None:
            return None
        fold = PeriodRows(
            scope=scope, where=where, edges=edges, at_least=node.at_least, predicate=predicate
        )
        return RowsTest(pointer=pointer, fold=fold, predicate=IsSet())

    def held(self, node: Held, pointer: str) -> RowsTest | None:
        """Return a condition on how long a value of the profile has lasted."""
        column = self.scopes.profile.find(node.column)
        if column.outside:
            raise Misfit("only a column of the profile itself has a history", "/column")
        history = self._history(node)
        scope, field, value = self._kept(history)
        literal = _written(node.value) if value.kind.kind is Kind.TEXT else node.value
        found = compile_comparison(value.kind, "eq", literal, frame=self.rows.frame)
        predicate = self.rows.noted(found, pointer)
        if predicate is None:
            return None
        fold = HeldRows(
            scope=scope,
            field=field,
            name=node.column,
            value=value,
            predicate=predicate,
            visible=self.rows.latest(scope),
        )
        return RowsTest(pointer=pointer, fold=fold, predicate=self._long(node, scope))

    def _long(self, node: Held, scope: Scope) -> WholeRanges:
        frame = self.rows.frame
        try:
            start = shift(frame.as_of, parse_duration(node.duration), zone=frame.zone, sign=-1)
        except ValueError as exc:
            raise Misfit(str(exc), "/duration") from None
        assert scope.time_kind is not None
        _, last = column_bounds((None, to_micros(start)), scope.time_kind, frame)
        assert last is not None
        return WholeRanges(ranges=((None, last) if node.compare == "gte" else (last + 1, None),))

    def _history(self, node: Held) -> History:
        """Return where the past values of a column are."""
        histories = self.scopes.catalog.histories
        own = histories.get(node.column)
        if node.history is None:
            if own is None:
                hint = "name its history table in the catalog"
                raise Misfit(f"{node.column} has no history", "/column", hint)
            return own
        if own is not None and own.table == node.history:
            return own
        named = {(h.table, h.column, h.value): h for h in histories.values()}
        found = [history for history in named.values() if history.table == node.history]
        if len(found) == 1:
            return found[0]
        if found:
            message = f"several columns keep their history in {node.history}, each its own way"
            raise Misfit(message, "/history")
        message = f"there is no history table {node.history[:100]!r}"
        raise Misfit(message, "/history", nearest(node.history, {h.table for h in named.values()}))

    def _kept(self, history: History) -> tuple[Scope, ScopeColumn, ScopeColumn]:
        try:
            scope = self._timed(self.scopes.table(history.table, ()), "history")
            field, value = scope.find(history.column), scope.find(history.value)
        except Misfit as exc:
            raise Misfit(f"the history table cannot be used: {exc}", "/column", exc.hint) from None
        if field.kind.kind is not Kind.TEXT:
            message = f"{history.table}.{history.column} names columns, so it must be text"
            raise Misfit(message, "/column")
        return scope, field, value

    def _related(
        self, node: RelatedRows, what: str, pointer: str, depth: int
    ) -> tuple[Scope, Resolved | None]:
        scope = self._timed(self.scopes.table(node.table, node.via), what)
        if node.where is None:
            return scope, None
        return scope, self.rows.condition(node.where, scope, f"{pointer}/where", depth + 1)

    def _timed(self, scope: Scope, what: str) -> Scope:
        if scope.time is None:
            raise no_time(scope, what, "/table")
        return scope

    def _window(self, window: Window, scope: Scope) -> Bounds:
        """Return the bounds of a window on the table's own time, which is visible time only."""
        try:
            if window.on is not None:
                raise Misfit("the window is on the table's time here", "/on")
            if window.next is not None:
                raise Misfit("rows later than as_of are invisible here", "/next")
            assert scope.time_kind is not None
            bounds = window_bounds(window, self.rows.frame)
            return column_bounds(bounds, scope.time_kind, self.rows.frame)
        except Misfit as exc:
            raise Misfit(str(exc), f"/window{exc.pointer}", exc.hint) from None

    def _edges(self, node: Periods, scope: Scope) -> tuple[int, ...]:
        """Return the falling edges of the periods; edge j is one step of j times the period."""
        frame, period = self.rows.frame, parse_duration(node.period)
        assert scope.time_kind is not None
        edges = [self.rows.latest(scope)]
        for j in range(1, node.of_last + 1):
            step = Duration(seconds=period.seconds * j, months=period.months * j)
            try:
                edge = to_micros(shift(frame.as_of, step, zone=frame.zone, sign=-1))
            except ValueError:
                message = "the periods lead out of the calendar, the years 1 to 9999"
                raise Misfit(message, "/of_last") from None
            _, last = column_bounds((None, edge), scope.time_kind, frame)
            assert last is not None
            edges.append(last)
        return tuple(edges)


def _written(value: Scalar) -> Scalar:
    """Return a literal as the text it is written as."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
