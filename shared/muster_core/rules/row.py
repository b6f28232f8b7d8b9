"""Conditions on single rows, and the rows that a window and `as_of` leave visible."""

from __future__ import annotations

from dataclasses import dataclass

from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.comparison import compile_comparison, split_negation
from muster_core.rules.condition import Attribute, RowAll, RowAny, RowCondition, RowNot
from muster_core.rules.instant import to_micros
from muster_core.rules.literal import Frame
from muster_core.rules.misfit import Misfit
from muster_core.rules.note import Notes
from muster_core.rules.predicate import Predicate, SameRow, WholeRanges
from muster_core.rules.resolution import ColumnTest, Group, Resolved, joined
from muster_core.rules.scope import Scope, ScopeColumn
from muster_core.rules.value import ColumnValue, Window
from muster_core.rules.window import Bounds, column_bounds, window_bounds

#: What people write for true and false.
_FLAGS = dict.fromkeys(("yes", "y", "t", "on"), "true") | dict.fromkeys(
    ("no", "n", "f", "off"), "false"
)
_RELATIONS = ("eq", "gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """Which rows count: time bounds, and a test where the window is on another column than the time."""

    low: int | None
    high: int | None
    test: ColumnTest | None = None


@dataclass(slots=True, kw_only=True)
class RowResolver:
    """Resolves what is asked of one row of a place."""

    frame: Frame
    notes: Notes

    def condition(
        self, node: RowCondition, scope: Scope, pointer: str, depth: int
    ) -> Resolved | None:
        """Return `node` resolved, or None with at least one problem more."""
        self.notes.count(pointer, depth)
        with self.notes.noting(pointer):
            match node:
                case RowAll() | RowAny():
                    parts = [
                        self.condition(part, scope, f"{pointer}/of/{i}", depth + 1)
                        for i, part in enumerate(node.of)
                    ]
                    return joined("and" if isinstance(node, RowAll) else "or", parts, pointer)
                case RowNot():
                    inner = self.condition(node.of, scope, f"{pointer}/of", depth + 1)
                    return joined("not", [inner], pointer)
                case Attribute():
                    if node.via:
                        hint = "name the relationship before the dot: relationship.column"
                        raise Misfit("inside a row condition there is no via", "/via", hint)
                    return self.attribute(node, scope, pointer)
        return None

    def attribute(self, node: Attribute, scope: Scope, pointer: str) -> ColumnTest | None:
        """Return a column's comparison resolved, or None with at least one problem more.

        Raises:
            Misfit: there is no such column, or it does not fit the one it is compared with.
        """
        column = scope.find(node.column)
        if isinstance(node.value, ColumnValue):
            try:
                other = scope.find(node.value.column, "/value/column")
            except Misfit as exc:
                hint = literal_hint(node.value.column, column.kind) or exc.hint
                raise Misfit(str(exc), exc.pointer, hint) from None
            relation = column_relation(node, column, other, self.frame.zone.key)
            return ColumnTest(pointer=pointer, column=column, predicate=relation, other=other)
        predicate = compile_comparison(
            column.kind, node.compare, node.value, frame=self.frame, ignore_case=node.ignore_case
        )
        known = self.noted(predicate, pointer)
        if known is None:
            return None
        return ColumnTest(pointer=pointer, column=column, predicate=known)

    def noted(self, predicate: Predicate | list[Misfit], pointer: str) -> Predicate | None:
        """Return a predicate, or None after noting what does not fit."""
        if not isinstance(predicate, list):
            return predicate
        for misfit in predicate:
            self.notes.add(misfit, pointer)
        return None

    def visible(
        self, window: Window | None, scope: Scope, *, future: bool, pointer: str
    ) -> Visible:
        """Return which rows of a place count.

        Raises:
            Misfit: the window is impossible here.
        """
        low: int | None = None
        high: int | None = None
        test = None
        if window is not None:
            if scope.time is None:
                raise no_time(scope, "windows", "/window")
            try:
                test = self._on(window, scope, pointer)
                if window.next is not None and not future and test is None:
                    hint = "set include_future"
                    raise Misfit("rows later than as_of are invisible here", "/next", hint)
                if test is None:
                    low, high = window_bounds(window, self.frame)
            except Misfit as exc:
                raise Misfit(str(exc), f"/window{exc.pointer}", exc.hint) from None
        if scope.time_kind is None:
            return Visible(low=None, high=None)
        if not future:
            now = to_micros(self.frame.as_of)
            high = now if high is None else min(high, now)
        low, high = column_bounds((low, high), scope.time_kind, self.frame)
        return Visible(low=low, high=high, test=test)

    def _on(self, window: Window, scope: Scope, pointer: str) -> ColumnTest | None:
        if window.on is None or window.on == scope.time:
            return None
        column = scope.find(window.on, "/on")
        if not column.kind.is_time:
            raise Misfit(f"{window.on[:100]} is no date or timestamp", "/on")
        bounds: Bounds = window_bounds(window, self.frame)
        ranges = (column_bounds(bounds, column.kind, self.frame),)
        return ColumnTest(
            pointer=f"{pointer}/window", column=column, predicate=WholeRanges(ranges=ranges)
        )

    def latest(self, scope: Scope) -> int:
        """Return the last visible moment in the terms of a place's time column."""
        assert scope.time_kind is not None
        _, high = column_bounds((None, to_micros(self.frame.as_of)), scope.time_kind, self.frame)
        assert high is not None
        return high


def literal_hint(name: str, kind: ColumnType) -> str | None:
    """Return what was meant by a word that is no column, held against a value of a type."""
    word = name.casefold()
    if word in ("null", "none", "nothing", "empty"):
        return "say is not set"
    of = (kind.element or kind).kind
    if of is Kind.BOOLEAN and word in _FLAGS:
        return f"say {_FLAGS[word]}"
    return f"a text stands in quotes: '{name[:100]}'" if of is Kind.TEXT else None


def both(one: Resolved | None, other: Resolved | None, pointer: str) -> Resolved | None:
    """Return the row test that both hold; None is no test at all."""
    if one is None or other is None:
        return one or other
    return Group(pointer=pointer, join="and", of=(one, other))


def no_time(scope: Scope, what: str, pointer: str) -> Misfit:
    """Return the problem of asking for `what` where rows have no time."""
    hint = "name its time column in the catalog"
    return Misfit(f"{scope.place} has no time column, so it has no {what}", pointer, hint)


def positive(node: Attribute) -> tuple[Attribute, bool]:
    """Return the comparison without its negation, and whether it had one."""
    compare, negate = split_negation(node.compare)
    return node.model_copy(update={"compare": compare}), negate


def column_relation(node: Attribute, column: ScopeColumn, other: ScopeColumn, zone: str) -> SameRow:
    """Return the comparison of two columns.

    Raises:
        Misfit: their types are not compared, or not like this.
    """
    relation, negate = split_negation(node.compare)
    kind = column.kind
    text = kind.kind is Kind.TEXT
    if relation not in (("eq",) if text or kind.kind is Kind.BOOLEAN else _RELATIONS):
        raise Misfit(f"{node.compare} takes no column of type {kind}", "/compare")
    alike = (
        kind.kind is other.kind.kind
        or (kind.is_number and other.kind.is_number)
        or (kind.is_time and other.kind.is_time)
    )
    if kind.kind is Kind.ARRAY or not alike:
        raise Misfit(f"columns of type {kind} and {other.kind} are not compared", "/value/column")
    if node.ignore_case and not text:
        raise Misfit("ignore_case fits comparisons of text", "/ignore_case")
    mixed_times = kind.is_time and kind.kind is not other.kind.kind
    return SameRow(
        other=other.name,
        # of other columns the zone decides nothing, and equal conditions stay equal
        zone=zone if mixed_times else "UTC",
        other_type=str(other.kind),
        relation=relation,  # type: ignore[arg-type]
        fold=node.ignore_case,
        negate=negate,
    )
