"""Conditions resolved against a catalog: names to stored columns, literals to predicates, windows to bounds.

Checking and compiling both go through here, so what is accepted when saved is what can be run.
Whatever is declared but not evaluated yet is a problem here, with its pointer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import ColumnType, Kind
from muster_core.errors import Problem
from muster_core.rules.comparison import (
    Misfit,
    compile_comparison,
    split_negation,
    window_bounds,
)
from muster_core.rules.condition import (
    Aggregate,
    All,
    Any_,
    Attribute,
    Condition,
    Everyone,
    Not,
    RowAll,
    RowAny,
    RowCondition,
    RowNot,
    Rows,
)
from muster_core.rules.instant import first_day_from, last_day_until, to_micros
from muster_core.rules.literal import Frame
from muster_core.rules.predicate import Predicate, SameRow
from muster_core.rules.scope import INTEGER, Scope, profile_scope, table_scope
from muster_core.rules.value import ColumnValue

_NUMERIC = ("sum", "avg")
_ORDERED = ("min", "max")
_RELATIONS = ("eq", "gt", "gte", "lt", "lte")

Function = Literal["count", "count_distinct", "sum", "avg", "min", "max", "first", "last", "exists"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """Every customer."""

    pointer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Operands joined by `join`; ``not`` has one. On customers or on rows, as its place says."""

    pointer: str
    join: Literal["and", "or", "not"]
    of: tuple[Resolved, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTest:
    """A predicate on one stored column."""

    pointer: str
    column: str
    kind: ColumnType
    predicate: Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsTest:
    """An aggregate over a customer's rows, and the predicate on its result (None: some row exists).

    `low` and `high` bound the time column in its own terms (days or microseconds), both included.
    """

    pointer: str
    table: str
    time: str | None
    time_kind: ColumnType | None
    low: int | None
    high: int | None
    where: Resolved | None
    function: Function
    column: str | None
    kind: ColumnType | None
    predicate: Predicate | None


Resolved = Universe | Group | ColumnTest | RowsTest


@dataclass(slots=True, kw_only=True)
class Resolver:
    """Resolves the conditions of one segment; problems gather in `problems`, never raised."""

    catalog: Catalog
    frame: Frame
    problems: list[Problem] = field(default_factory=list)
    conditions: int = 0

    def condition(self, node: Condition, pointer: str, depth: int = 1) -> Resolved | None:
        """Return `node` resolved, or None with at least one problem more."""
        self._count(pointer, depth)
        with self._noting(pointer):
            match node:
                case Everyone():
                    return Universe(pointer=pointer)
                case All() | Any_():
                    parts = [
                        self.condition(part, f"{pointer}/of/{i}", depth + 1)
                        for i, part in enumerate(node.of)
                    ]
                    return _group("and" if isinstance(node, All) else "or", parts, pointer)
                case Not():
                    inner = self.condition(node.of, f"{pointer}/of", depth + 1)
                    return _group("not", [inner], pointer)
                case Attribute():
                    if node.via or ("." in node.column and self._is_table_column(node.column)):
                        raise Misfit(
                            "columns of one-to-one tables are not evaluated yet", "/column"
                        )
                    return self._attribute(node, profile_scope(self.catalog), pointer)
                case Rows():
                    return self._rows(node, pointer, depth)
                case _:
                    raise Misfit(f"conditions of kind {node.kind} are not evaluated yet", "/kind")
        return None

    def _is_table_column(self, column: str) -> bool:
        return column.partition(".")[0] in self.catalog.tables

    def _count(self, pointer: str, depth: int) -> None:
        limits = self.frame.limits
        self.conditions += 1
        if self.conditions == limits.conditions + 1:
            self._note(f"a segment has at most {limits.conditions} conditions", pointer)
        if depth == limits.depth + 1:
            self._note(f"conditions nest at most {limits.depth} deep", pointer)

    def _note(self, message: str, pointer: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message=message, pointer=pointer, hint=hint))

    @contextmanager
    def _noting(self, pointer: str) -> Iterator[None]:
        try:
            yield
        except Misfit as exc:
            self._note(str(exc), pointer + exc.pointer, exc.hint)

    def _attribute(self, node: Attribute, scope: Scope, pointer: str) -> ColumnTest | None:
        kind = scope.find(node.column)
        if isinstance(node.value, ColumnValue):
            predicate: Predicate | list[Misfit] = _column_relation(
                node, node.value, kind, scope, self.frame.zone
            )
        else:
            predicate = compile_comparison(
                kind, node.compare, node.value, frame=self.frame, ignore_case=node.ignore_case
            )
        if isinstance(predicate, list):
            for misfit in predicate:
                self._note(str(misfit), pointer + misfit.pointer, misfit.hint)
            return None
        return ColumnTest(pointer=pointer, column=node.column, kind=kind, predicate=predicate)

    def _row(self, node: RowCondition, scope: Scope, pointer: str, depth: int) -> Resolved | None:
        self._count(pointer, depth)
        with self._noting(pointer):
            match node:
                case RowAll() | RowAny():
                    parts = [
                        self._row(part, scope, f"{pointer}/of/{i}", depth + 1)
                        for i, part in enumerate(node.of)
                    ]
                    return _group("and" if isinstance(node, RowAll) else "or", parts, pointer)
                case RowNot():
                    inner = self._row(node.of, scope, f"{pointer}/of", depth + 1)
                    return _group("not", [inner], pointer)
                case Attribute():
                    if node.via:
                        raise Misfit("inside a row condition, via is not evaluated yet", "/via")
                    return self._attribute(node, scope, pointer)
        return None

    def _rows(self, node: Rows, pointer: str, depth: int) -> RowsTest | None:
        before = len(self.problems)
        scope = table_scope(self.catalog, node.table, node.via)
        where = None
        if node.where is not None:
            where = self._row(node.where, scope, f"{pointer}/where", depth + 1)
        low = high = None
        with self._noting(pointer):
            low, high = self._bounds(node, scope, pointer)
        result, predicate = None, None
        with self._noting(pointer):
            result = _result_type(node.aggregate, scope)
        if result is not None or node.aggregate.function == "exists":
            predicate = self._result_predicate(node, result, pointer)
        if len(self.problems) > before:
            return None
        column = node.aggregate.column
        return RowsTest(
            pointer=pointer,
            table=scope.stored,
            time=scope.time,
            time_kind=scope.columns[scope.time] if scope.time else None,
            low=low,
            high=high,
            where=where,
            function=node.aggregate.function,  # type: ignore[arg-type]
            column=column,
            kind=scope.columns[column] if column else None,
            predicate=predicate,
        )

    def _bounds(self, node: Rows, scope: Scope, pointer: str) -> tuple[int | None, int | None]:
        """Return first and last visible time of a row, in the terms of the table's time column."""
        low: int | None = None
        high: int | None = None
        if node.window is not None:
            if scope.time is None:
                raise Misfit(f"{scope.place} has no time column, so it has no windows", "/window")
            try:
                low, high = window_bounds(node.window, self.frame)
            except Misfit as exc:
                raise Misfit(str(exc), f"/window{exc.pointer}", exc.hint) from None
        if scope.time is None:
            return None, None
        if not node.include_future:
            now = to_micros(self.frame.as_of)
            high = now if high is None else min(high, now)
        if scope.columns[scope.time].kind is Kind.DATE:
            low = None if low is None else first_day_from(low, self.frame.zone)
            high = None if high is None else last_day_until(high, self.frame.zone)
        return low, high

    def _result_predicate(
        self, node: Rows, result: ColumnType | None, pointer: str
    ) -> Predicate | None:
        if node.aggregate.function == "exists":
            if node.compare is not None or node.value is not None:
                self._note("exists takes no compare and no value", f"{pointer}/compare")
            return None
        assert result is not None
        if node.compare is None:
            self._note(f"{node.aggregate.function} needs a compare", f"{pointer}/compare")
            return None
        mean = node.aggregate.function == "avg" and result.kind is not Kind.FLOAT
        predicate = compile_comparison(
            result, node.compare, node.value, frame=self.frame, mean=mean
        )
        if not isinstance(predicate, list):
            return predicate
        for misfit in predicate:
            self._note(str(misfit), pointer + misfit.pointer, misfit.hint)
        return None


def _group(
    join: Literal["and", "or", "not"], parts: list[Resolved | None], pointer: str
) -> Group | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Group(pointer=pointer, join=join, of=tuple(known))


def _result_type(aggregate: Aggregate, scope: Scope) -> ColumnType | None:
    """Return the type of an aggregate's result; None for `exists`.

    Raises:
        Misfit: the function does not fit its column, or is not evaluated yet.
    """
    function = aggregate.function
    if function in ("first", "last"):
        message = f"the aggregate {function} is not evaluated yet"
        raise Misfit(message, "/aggregate/function")
    if aggregate.order_by is not None:
        raise Misfit(f"{function} takes no order_by", "/aggregate/order_by")
    if function in ("count", "exists"):
        if aggregate.column is not None:
            raise Misfit(f"{function} takes no column", "/aggregate/column")
        return INTEGER if function == "count" else None
    if aggregate.column is None:
        raise Misfit(f"{function} needs a column", "/aggregate/column")
    kind = scope.find(aggregate.column, "/aggregate/column")
    if function in _NUMERIC and not kind.is_number:
        raise Misfit(f"{function} fits numbers, not {kind}", "/aggregate/column")
    if function in _ORDERED and not (kind.is_number or kind.is_time):
        raise Misfit(f"{function} fits numbers and times, not {kind}", "/aggregate/column")
    if function == "count_distinct":
        if kind.kind is Kind.ARRAY:
            raise Misfit("count_distinct of an array is not evaluated yet", "/aggregate/column")
        return INTEGER
    return kind


def _column_relation(
    node: Attribute, value: ColumnValue, kind: ColumnType, scope: Scope, zone: ZoneInfo
) -> SameRow:
    relation, negate = split_negation(node.compare)
    text = kind.kind is Kind.TEXT
    if relation not in (("eq",) if text or kind.kind is Kind.BOOLEAN else _RELATIONS):
        raise Misfit(f"{node.compare} takes no column of type {kind}", "/compare")
    other = scope.find(value.column, "/value/column")
    alike = (
        kind.kind is other.kind
        or (kind.is_number and other.is_number)
        or (kind.is_time and other.is_time)
    )
    if kind.kind is Kind.ARRAY or not alike:
        raise Misfit(f"columns of type {kind} and {other} are not compared", "/value/column")
    if node.ignore_case and not text:
        raise Misfit("ignore_case fits comparisons of text", "/ignore_case")
    mixed_times = kind.is_time and kind.kind is not other.kind
    return SameRow(
        other=value.column,
        # of other columns the zone decides nothing, and equal conditions stay equal
        zone=zone.key if mixed_times else "UTC",
        other_type=str(other),
        relation=relation,  # type: ignore[arg-type]
        fold=node.ignore_case,
        negate=negate,
    )
