"""Conditions sketched as formulas over facts, beside the tree they were written as."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from muster_core.catalog.type import Kind
from muster_core.rules.comparison import split_negation
from muster_core.rules.condition import (
    All,
    Any_,
    Attribute,
    Condition,
    Everyone,
    FirstRow,
    Held,
    LastRow,
    Measurable,
    MeasureValue,
    Not,
    Periods,
    RowAll,
    RowAny,
    RowCondition,
    RowNot,
    Rows,
)
from muster_core.rules.condition import Sequence as SequenceNode
from muster_core.rules.fact import Fact
from muster_core.rules.formula import (
    Constant,
    Formula,
    Literal_,
    impossible,
    joined_formula,
    opposite,
)
from muster_core.rules.literal import Frame
from muster_core.rules.predicate import FloatRanges, IsSet, Predicate, WholeRanges
from muster_core.rules.resolution import (
    AggregateFold,
    ColumnTest,
    Group,
    LatestFold,
    PeriodRows,
    Resolved,
    RowsTest,
    SampleTest,
    SequenceRows,
    TopTest,
)
from muster_core.rules.scope import Scope, ScopeColumn
from muster_core.rules.span import VISIBLE, Span, compared_span, held_span, window_span
from muster_core.rules.value import Ago, Ahead, Window
from muster_core.rules.window import column_bounds, window_bounds

_COUNTS = ("count", "count_distinct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One condition with its formula, and what it is made of; a leaf may look at `rows`."""

    pointer: str
    join: Literal["all", "any", "not", "leaf"]
    formula: Formula
    parts: tuple[Part, ...] = ()
    rows: tuple[RowPart, ...] = ()
    #: Said of everybody on purpose.
    everyone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPart:
    """What is asked of the rows of one place: by conditions (`part`), by a window, and altogether."""

    pointer: str
    table: str
    stored: str
    part: Part | None
    formula: Formula
    #: The window alone, with what is visible.
    window: Formula | None = None
    #: Last moment of the window in the terms of its column, as of now.
    high: int | None = None
    column: ScopeColumn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a value is: a column of a place in the store, whose row may not be there (`optional`)."""

    stored: str
    column: ScopeColumn
    optional: bool = False


@dataclass(slots=True, kw_only=True)
class Sketcher:
    """Sketches the conditions of one segment; what it learns of values gathers in `bases`."""

    frame: Frame
    #: The name under which the profile is stored.
    profile: str
    bases: dict[str, list[Fact]] = field(default_factory=dict)
    #: Where the values of a key are: the place in the store and the column.
    columns: dict[str, Found] = field(default_factory=dict)

    def condition(self, node: Condition, resolved: Resolved, pointer: str) -> Part:
        """Return `node`, resolved as `resolved`, with its formula."""
        match node:
            case All() | Any_():
                assert isinstance(resolved, Group)
                parts = [
                    self.condition(inner, known, f"{pointer}/of/{i}")
                    for i, (inner, known) in enumerate(zip(node.of, resolved.of, strict=True))
                ]
                return _junction("all" if isinstance(node, All) else "any", parts, pointer)
            case Not():
                assert isinstance(resolved, Group)
                return _not(self.condition(node.of, resolved.of[0], f"{pointer}/of"), pointer)
            case Everyone():
                constant = Constant(value=True)
                return Part(pointer=pointer, join="leaf", formula=constant, everyone=True)
            case Attribute():
                return self._attribute(node, resolved, pointer)
            case Rows():
                assert isinstance(resolved, RowsTest)
                return self._aggregate(node, resolved, pointer)
            case _:
                return self._whether(node, resolved, pointer)

    def _attribute(self, node: Attribute, resolved: Resolved, pointer: str) -> Part:
        if isinstance(resolved, ColumnTest):
            fact = self._fact(node, resolved, "profile", self.profile)
            return _leaf(fact, pointer, negative=resolved.predicate.negate)
        some = resolved.of[0] if isinstance(resolved, Group) else resolved
        assert isinstance(some, RowsTest)
        assert isinstance(some.fold, AggregateFold)
        test = some.fold.where
        assert isinstance(test, ColumnTest)
        fact = self._fact(node, test, "single", some.fold.scope.stored)
        return _leaf(fact, pointer, negative=isinstance(resolved, Group))

    def _fact(
        self,
        node: Attribute,
        test: ColumnTest,
        place: Literal["profile", "single", "row"],
        stored: str,
    ) -> Fact:
        """Return what a comparison says of a column."""
        compare, negate = split_negation(node.compare)
        key = f"{place} {stored} {test.column.name}"
        found = Found(stored=stored, column=test.column, optional=place == "single")
        self.columns.setdefault(key, found)
        said = _said(compare, node.value, test.predicate, test.column.kind.kind is Kind.DATE)
        return Fact(key=key, inside=not negate, missing=negate, **said)

    def row(self, node: RowCondition, resolved: Resolved, scope: Scope, pointer: str) -> Part:
        """Return a condition on one row with its formula."""
        match node:
            case RowAll() | RowAny():
                assert isinstance(resolved, Group)
                parts = [
                    self.row(inner, known, scope, f"{pointer}/of/{i}")
                    for i, (inner, known) in enumerate(zip(node.of, resolved.of, strict=True))
                ]
                return _junction("all" if isinstance(node, RowAll) else "any", parts, pointer)
            case RowNot():
                assert isinstance(resolved, Group)
                return _not(self.row(node.of, resolved.of[0], scope, f"{pointer}/of"), pointer)
            case Attribute():
                assert isinstance(resolved, ColumnTest)
                fact = self._fact(node, resolved, "row", scope.stored)
                return _leaf(fact, pointer, negative=resolved.predicate.negate)

    def _rows(
        self,
        scope: Scope,
        pointer: str,
        part: Part | None,
        *,
        window: Window | None = None,
        future: bool = False,
    ) -> RowPart:
        """Return what is asked of rows, with what the window and `as_of` leave of them."""
        facts: list[Formula] = []
        high = column = None
        if scope.time is not None:
            time = scope.find(scope.time)
            if not future:
                facts.append(self._timed(scope, time, VISIBLE, None))
            if window is not None:
                column = time if window.on is None else scope.find(window.on)
                bounds = column_bounds(window_bounds(window, self.frame), column.kind, self.frame)
                high = bounds[1]
                span = window_span(window)
                ranges = WholeRanges(ranges=(bounds,)) if span is None else None
                facts.append(self._timed(scope, column, span, ranges))
        seen = joined_formula("and", facts) if facts else Constant(value=True)
        return RowPart(
            pointer=pointer,
            table=scope.place,
            stored=scope.stored,
            part=part,
            formula=seen if part is None else joined_formula("and", [part.formula, seen]),
            window=None if window is None else seen,
            high=high,
            column=column,
        )

    def _timed(
        self, scope: Scope, column: ScopeColumn, span: Span | None, predicate: Predicate | None
    ) -> Formula:
        key = f"row {scope.stored} {column.name}"
        self.columns.setdefault(key, Found(stored=scope.stored, column=column))
        fact = Fact(key=key, inside=True, missing=False, predicate=predicate, span=span)
        return Literal_(fact=fact, negative=False)

    def measured(self, node: Measurable, fold: AggregateFold, pointer: str) -> RowPart:
        """Return what an aggregate asks of the rows it looks at."""
        where = fold.where
        if node.window is not None and node.window.on not in (None, fold.scope.time):
            where = where.of[0] if node.where is not None and isinstance(where, Group) else None
        part = None
        if node.where is not None and where is not None:
            part = self.row(node.where, where, fold.scope, f"{pointer}/where")
        return self._rows(fold.scope, pointer, part, window=node.window, future=node.include_future)

    def _aggregate(self, node: Rows, resolved: RowsTest, pointer: str) -> Part:
        fold = resolved.fold
        assert isinstance(fold, AggregateFold)
        rows = self.measured(node, fold, pointer)
        data = node.model_dump(mode="json", exclude={"kind", "compare", "value"}, by_alias=True)
        data["aggregate"]["function"] = fold.function  # existence is a count
        key = f"rows {json.dumps(data, sort_keys=True)}"
        self._learn(key, fold, empty=impossible(rows.formula, self.bases))
        return self._result(key, node, resolved, pointer, rows=(rows,))

    def _result(
        self,
        key: str,
        node: Rows | MeasureValue,
        resolved: RowsTest,
        pointer: str,
        rows: tuple[RowPart, ...] = (),
    ) -> Part:
        fold = resolved.fold
        assert isinstance(fold, AggregateFold)
        compare, negate = split_negation(node.compare or "gte")
        dates = fold.result.kind is Kind.DATE
        said = _said(compare, node.value, resolved.predicate, dates)
        # without a value nothing matches, negative or not
        fact = Fact(key=key, inside=not negate, missing=False, **said)
        # so everybody else belongs only where the value without rows passes
        formula = Literal_(fact=fact, negative=negate and _nothing_passes(fold, resolved))
        return Part(pointer=pointer, join="leaf", formula=formula, rows=rows)

    def _learn(self, key: str, fold: AggregateFold, *, empty: bool) -> None:
        """Note what is true of an aggregate's result anyway; `empty`: over no rows."""
        whole = fold.result.kind in (Kind.INTEGER, Kind.DECIMAL)
        if fold.function in _COUNTS:
            ranges: tuple[int | None, int | None] = (0, 0 if empty else None)
        elif fold.function == "sum" and whole:
            ranges = (0, 0) if empty else (None, None)
        elif empty and fold.function != "sum":
            self.bases[key] = [Fact(key=key, inside=False, missing=True, predicate=IsSet())]
            return
        else:
            return
        predicate = WholeRanges(ranges=(ranges,))
        self.bases[key] = [Fact(key=key, inside=True, missing=False, predicate=predicate)]

    def _whether(self, node: Any, resolved: Resolved, pointer: str) -> Part:
        """Return a condition that is only known to hold or not."""
        key = (
            f"{node.kind} {json.dumps(node.model_dump(mode='json', by_alias=True), sort_keys=True)}"
        )
        whole = Fact(key=key, inside=True, missing=False, symbol=node.kind)
        formula: Formula = Literal_(fact=whole, negative=False)
        rows: tuple[RowPart, ...] = ()
        fold = resolved.fold if isinstance(resolved, RowsTest) else None
        if isinstance(node, MeasureValue) and isinstance(resolved, RowsTest):
            assert isinstance(fold, AggregateFold)
            self._learn(f"measure {node.name}", fold, empty=False)
            return self._result(f"measure {node.name}", node, resolved, pointer)
        if isinstance(node, FirstRow) and isinstance(fold, AggregateFold):
            part = self._where(node.where, fold.where, fold.scope, f"{pointer}/where")
            rows = (self._rows(fold.scope, pointer, part, window=node.window),)
        elif isinstance(node, LastRow) and isinstance(fold, LatestFold):
            part = self._where(node.where, fold.where, fold.scope, f"{pointer}/where")
            having = self.row(node.having, fold.having, fold.scope, f"{pointer}/having")
            both = having if part is None else _junction("all", [part, having], pointer)
            rows = (self._rows(fold.scope, pointer, both),)
        elif isinstance(node, SequenceNode) and isinstance(fold, SequenceRows):
            rows = self._steps(node, fold, pointer)
        elif isinstance(node, Periods) and isinstance(fold, PeriodRows):
            part = self._where(node.where, fold.where, fold.scope, f"{pointer}/where")
            rows = (self._rows(fold.scope, pointer, part),)
            formula = self._periods(fold, formula, empty=impossible(rows[0].formula, self.bases))
            return Part(pointer=pointer, join="leaf", formula=formula, rows=rows)
        elif isinstance(node, Held):
            key = f"held {json.dumps([node.column, node.history, str(node.value)])}"
            span = held_span(node.compare, node.duration)
            fact = Fact(key=key, inside=True, missing=False, span=span)
            formula = Literal_(fact=fact, negative=False)
        elif isinstance(resolved, SampleTest) and not 0 < resolved.below < 10_000:
            formula = Constant(value=resolved.below > 0)
        elif isinstance(resolved, TopTest) and resolved.percent and resolved.percent[0] == 0:
            formula = Constant(value=False)
        if any(impossible(row.formula, self.bases) for row in rows):
            formula = Constant(value=False)
        return Part(pointer=pointer, join="leaf", formula=formula, rows=rows)

    def _where(
        self, node: RowCondition | None, resolved: Resolved | None, scope: Scope, pointer: str
    ) -> Part | None:
        if node is None or resolved is None:
            return None
        return self.row(node, resolved, scope, pointer)

    def _steps(self, node: SequenceNode, fold: SequenceRows, pointer: str) -> tuple[RowPart, ...]:
        steps = [
            self.row(step, known, fold.scope, f"{pointer}/steps/{i}")
            for i, (step, known) in enumerate(zip(node.steps, fold.steps, strict=True))
        ]
        first = self._rows(fold.scope, pointer, steps[0], window=node.window)
        return (first, *(self._rows(fold.scope, pointer, step) for step in steps[1:]))

    def _periods(self, fold: PeriodRows, formula: Formula, *, empty: bool) -> Formula:
        """Return whether every count passes, or none does, where that is so."""
        negate = fold.predicate.negate
        positive = fold.predicate.model_copy(update={"negate": False})
        counts = WholeRanges(ranges=((0, 0 if empty else None),))
        passing = Fact(key="", inside=not negate, missing=False, predicate=positive)
        known = {"": [Fact(key="", inside=True, missing=False, predicate=counts)]}
        count = Literal_(fact=passing, negative=negate)
        if impossible(count, known):
            return Constant(value=False)
        return Constant(value=True) if impossible(opposite(count), known) else formula


def _said(compare: str, value: Any, predicate: Predicate, dates: bool) -> dict[str, Any]:
    """Return predicate, or symbol and span of a comparison that depends on `as_of`."""
    positive = predicate.model_copy(update={"negate": False})
    window = isinstance(value, Window) and value.form != "from/to"
    if not window and not isinstance(value, Ago | Ahead):
        return {"predicate": positive}
    span = None
    if isinstance(value, Ago | Ahead):
        span = compared_span(compare, value, dates=dates)
    elif compare == "in_window":
        span = window_span(value)
    return {"symbol": f"{compare} {value.model_dump_json()}", "span": span}


def _nothing_passes(fold: AggregateFold, resolved: RowsTest) -> bool:
    """Whether a negated comparison holds for the count or the sum of no rows, which is 0."""
    if fold.function not in (*_COUNTS, "sum"):
        return False
    predicate = resolved.predicate
    if not isinstance(predicate, WholeRanges | FloatRanges):
        return True
    return not any(
        (low is None or low <= 0) and (high is None or high >= 0) for low, high in predicate.ranges
    )


def _leaf(fact: Fact, pointer: str, *, negative: bool) -> Part:
    formula = Literal_(fact=fact, negative=negative)
    return Part(pointer=pointer, join="leaf", formula=formula)


def _junction(join: Literal["all", "any"], parts: Sequence[Part], pointer: str) -> Part:
    formula = joined_formula("and" if join == "all" else "or", [part.formula for part in parts])
    return Part(pointer=pointer, join=join, formula=formula, parts=tuple(parts))


def _not(part: Part, pointer: str) -> Part:
    return Part(pointer=pointer, join="not", formula=opposite(part.formula), parts=(part,))
