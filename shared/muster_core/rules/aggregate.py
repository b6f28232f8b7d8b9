"""Aggregates over a customer's rows: what fits which column, and how a result is compared."""

from __future__ import annotations

from dataclasses import dataclass

from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.comparison import INTEGER, Given, compile_comparison
from muster_core.rules.condition import Aggregate, Compare, Measurable
from muster_core.rules.misfit import Misfit
from muster_core.rules.predicate import Predicate, WholeRanges
from muster_core.rules.resolution import AggregateFold
from muster_core.rules.row import RowResolver, both, literal_hint, no_time
from muster_core.rules.scope import Scope, ScopeColumn, Scopes
from muster_core.rules.value import ColumnValue

_NUMERIC = ("sum", "avg")
_ORDERED = ("min", "max")
_CHOOSING = ("first", "last")

#: What the count of rows passes where some row exists.
SOME = WholeRanges(ranges=((1, None),))


@dataclass(slots=True, kw_only=True)
class AggregateResolver:
    """Resolves what is computed over related rows."""

    scopes: Scopes
    rows: RowResolver

    def fold(self, node: Measurable, pointer: str, depth: int) -> AggregateFold | None:
        """Return an aggregate resolved, or None with at least one problem more.

        Existence becomes a count, so that both share one aggregate.

        Raises:
            Misfit: there is no such table, or no single way to the profile.
        """
        notes = self.rows.notes
        before = len(notes.problems)
        scope = self.scopes.table(node.table, node.via)
        where = visible = found = None
        if node.where is not None:
            where = self.rows.condition(node.where, scope, f"{pointer}/where", depth + 1)
        with notes.noting(pointer):
            visible = self.rows.visible(
                node.window, scope, future=node.include_future, pointer=pointer
            )
        with notes.noting(pointer):
            found = _typed(node.aggregate, scope)
        if len(notes.problems) > before or visible is None or found is None:
            return None
        result, column, order_by = found
        function = node.aggregate.function
        return AggregateFold(
            scope=scope,
            where=both(where, visible.test, pointer),
            low=visible.low,
            high=visible.high,
            function="count" if function == "exists" else function,
            column=column,
            order_by=order_by,
            result=result,
        )

    def value(self, node: Measurable, pointer: str, depth: int) -> AggregateFold | None:
        """Return an aggregate that yields a value, which existence does not.

        Raises:
            Misfit: see `fold`.
        """
        found = self.fold(node, pointer, depth)
        if node.aggregate.function == "exists":
            misfit = Misfit("exists yields no value: use count", "/aggregate/function")
            self.rows.notes.add(misfit, pointer)
            return None
        return found

    def result(
        self, fold: AggregateFold, compare: Compare, value: Given, pointer: str
    ) -> Predicate | None:
        """Return the predicate on an aggregate's value, or None with at least one problem more."""
        if isinstance(value, ColumnValue):
            message = "the result of an aggregate is not compared with a column"
            misfit = Misfit(message, "/value", literal_hint(value.column, fold.result))
            self.rows.notes.add(misfit, pointer)
            return None
        mean = fold.function == "avg" and fold.result.kind is not Kind.FLOAT
        found = compile_comparison(fold.result, compare, value, frame=self.rows.frame, mean=mean)
        return self.rows.noted(found, pointer)


def result_type(aggregate: Aggregate, scope: Scope) -> ColumnType:
    """Return the type of what an aggregate over the rows of `scope` yields.

    Raises:
        Misfit: the function does not fit its column.
    """
    return _typed(aggregate, scope)[0]


_Typed = tuple[ColumnType, ScopeColumn | None, ScopeColumn | None]


def _typed(aggregate: Aggregate, scope: Scope) -> _Typed:
    """Return type, column and order of an aggregate's result.

    Raises:
        Misfit: the function does not fit its column.
    """
    function = aggregate.function
    if aggregate.order_by is not None and function not in _CHOOSING:
        raise Misfit(f"{function} takes no order_by", "/aggregate/order_by")
    if function in ("count", "exists"):
        if aggregate.column is not None:
            raise Misfit(f"{function} takes no column", "/aggregate/column")
        return INTEGER, None, None
    if aggregate.column is None:
        raise Misfit(f"{function} needs a column", "/aggregate/column")
    column = scope.find(aggregate.column, "/aggregate/column")
    if function in _CHOOSING:
        return column.kind, column, _order(aggregate, scope)
    _check_kind(function, column.kind)
    return INTEGER if function == "count_distinct" else column.kind, column, None


def _check_kind(function: str, kind: ColumnType) -> None:
    if function in _NUMERIC and not kind.is_number:
        raise Misfit(f"{function} fits numbers, not {kind}", "/aggregate/column")
    if function in _ORDERED and not (kind.is_number or kind.is_time):
        raise Misfit(f"{function} fits numbers and times, not {kind}", "/aggregate/column")
    if function == "count_distinct" and kind.kind is Kind.ARRAY:
        raise Misfit("count_distinct fits single values, not arrays", "/aggregate/column")


def _order(aggregate: Aggregate, scope: Scope) -> ScopeColumn | None:
    if aggregate.order_by is None:
        if scope.time is None:
            raise no_time(scope, f"{aggregate.function} row: say order_by", "/aggregate/order_by")
        return None
    column = scope.find(aggregate.order_by, "/aggregate/order_by")
    if not (column.kind.is_number or column.kind.is_time):
        message = f"rows are ordered by numbers and times, not {column.kind}"
        raise Misfit(message, "/aggregate/order_by")
    # the table's own order is by its time already, and by more where times are equal
    return None if column.name == scope.time else column
