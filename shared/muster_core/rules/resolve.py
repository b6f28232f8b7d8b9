"""Conditions resolved against a catalog: names to columns, literals to predicates, windows to bounds.

Checking and compiling both go through here, so what is accepted when saved is what can be run.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from muster_core.errors import Problem
from muster_core.rules.aggregate import SOME, AggregateResolver
from muster_core.rules.comparison import scaled
from muster_core.rules.condition import (
    All,
    Any_,
    Attribute,
    CompareSides,
    Condition,
    Everyone,
    FirstRow,
    Held,
    LastRow,
    Measurable,
    MeasureName,
    MeasureValue,
    Not,
    Periods,
    Rows,
    Sample,
    SegmentMember,
    Sequence,
    Top,
)
from muster_core.rules.literal import Frame, read_exact
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.misfit import Misfit
from muster_core.rules.note import Notes
from muster_core.rules.resolution import (
    AggregateFold,
    ColumnTest,
    Group,
    Resolved,
    RowsTest,
    SampleTest,
    SegmentTest,
    SidesTest,
    TopTest,
    Universe,
    joined,
)
from muster_core.rules.row import RowResolver
from muster_core.rules.scope import ScopeColumn, Scopes, nearest
from muster_core.rules.single import SingleResolver
from muster_core.rules.timeline import TimelineResolver
from muster_core.rules.value import Scalar
from muster_core.schedules.zone import read_zone


@dataclass(slots=True, kw_only=True)
class Resolver:
    """Resolves the conditions of one segment; problems gather in `problems`, never raised."""

    scopes: Scopes
    frame: Frame
    measures: Mapping[str, MeasureDocument] = field(default_factory=dict)
    #: Measures that are defined, but could not be read.
    unread_measures: frozenset[str] = frozenset()
    #: Names of every segment there is; None: whoever compiles looks itself.
    segments: Collection[str] | None = None
    _notes: Notes = field(init=False)
    _rows: RowResolver = field(init=False)
    _aggregates: AggregateResolver = field(init=False)
    _timelines: TimelineResolver = field(init=False)
    _singles: SingleResolver = field(init=False)

    def __post_init__(self) -> None:
        self._notes = Notes(limits=self.frame.limits)
        self._rows = RowResolver(frame=self.frame, notes=self._notes)
        self._aggregates = AggregateResolver(scopes=self.scopes, rows=self._rows)
        self._timelines = TimelineResolver(scopes=self.scopes, rows=self._rows)
        self._singles = SingleResolver(scopes=self.scopes, rows=self._rows)

    @property
    def problems(self) -> list[Problem]:
        """Return what did not fit so far."""
        return self._notes.problems

    def condition(self, node: Condition, pointer: str, depth: int = 1) -> Resolved | None:
        """Return `node` resolved, or None with at least one problem more."""
        self._notes.count(pointer, depth)
        with self._notes.noting(pointer):
            match node:
                case Everyone():
                    return Universe(pointer=pointer)
                case All() | Any_():
                    parts = [
                        self.condition(part, f"{pointer}/of/{i}", depth + 1)
                        for i, part in enumerate(node.of)
                    ]
                    return joined("and" if isinstance(node, All) else "or", parts, pointer)
                case Not():
                    inner = self.condition(node.of, f"{pointer}/of", depth + 1)
                    return joined("not", [inner], pointer)
                case _:
                    return self._leaf(node, pointer, depth)
        return None

    def measure(self, node: Measurable, pointer: str) -> AggregateFold | None:
        """Return what a measure computes, or None with at least one problem more."""
        self._notes.count(pointer, 1)
        with self._notes.noting(pointer):
            return self._aggregates.value(node, pointer, 1)
        return None

    def _leaf(self, node: Condition, pointer: str, depth: int) -> Resolved | None:
        match node:
            case Attribute():
                return self._attribute(node, pointer)
            case Rows():
                return self._related(node, pointer, depth)
            case FirstRow():
                return self._timelines.first_row(node, pointer, depth)
            case LastRow():
                return self._timelines.last_row(node, pointer, depth)
            case Sequence():
                return self._timelines.sequence(node, pointer, depth)
            case Periods():
                return self._timelines.periods(node, pointer, depth)
            case Held():
                return self._timelines.held(node, pointer)
            case SegmentMember():
                if self.segments is not None and node.name not in self.segments:
                    message = f"there is no segment {node.name[:100]!r}"
                    raise Misfit(message, "/name", nearest(node.name, self.segments))
                return SegmentTest(pointer=pointer, name=node.name)
            case MeasureValue():
                return self._measured(node, pointer)
            case CompareSides():
                return self._sides(node, pointer, depth)
            case Top():
                return self._top(node, pointer, depth)
            case Sample():
                return self._sample(node, pointer)
        raise AssertionError(f"an unknown kind {node.kind}")

    def _attribute(self, node: Attribute, pointer: str) -> ColumnTest | RowsTest | Group | None:
        table = self._singles.table(node)
        if table is not None:
            return self._singles.attribute(node, table, pointer)
        return self._rows.attribute(node, self.scopes.profile, pointer)

    def _related(self, node: Rows, pointer: str, depth: int) -> RowsTest | None:
        fold = self._aggregates.fold(node, pointer, depth)
        if node.aggregate.function == "exists":
            if node.compare is not None or node.value is not None:
                at = "/compare" if node.compare is not None else "/value"
                raise Misfit("exists takes no compare and no value", at)
            predicate = SOME
        elif node.compare is None:
            raise Misfit(f"{node.aggregate.function} needs a compare", "/compare")
        elif fold is not None:
            known = self._aggregates.result(fold, node.compare, node.value, pointer)
            return None if known is None else RowsTest(pointer=pointer, fold=fold, predicate=known)
        if fold is None:
            return None
        return RowsTest(pointer=pointer, fold=fold, predicate=predicate)

    def _measured(self, node: MeasureValue, pointer: str) -> RowsTest | None:
        fold = self._named(node.name, "/name")
        predicate = self._aggregates.result(fold, node.compare, node.value, pointer)
        return (
            None if predicate is None else RowsTest(pointer=pointer, fold=fold, predicate=predicate)
        )

    def _named(self, name: str, pointer: str) -> AggregateFold:
        """Return what a measure computes, in the workspace's zone.

        Raises:
            Misfit: there is no such measure, or it does not fit the catalog.
        """
        document = self.measures.get(name)
        if name in self.unread_measures:
            raise Misfit(f"the measure {name[:100]} has problems of its own", pointer)
        if document is None:
            message = f"there is no measure {name[:100]!r}"
            raise Misfit(message, pointer, nearest(name, self.measures))
        zone = read_zone(self.scopes.catalog.timezone)
        apart = Resolver(scopes=self.scopes, frame=replace(self.frame, zone=zone))
        fold = apart.measure(document.by, "/by")
        if fold is None:
            first = apart.problems[0]
            message = f"the measure {name} does not fit the catalog: {first.message}"
            raise Misfit(message, pointer, first.hint)
        return fold

    def _side(
        self, node: Measurable | MeasureName, pointer: str, place: str, depth: int
    ) -> AggregateFold | None:
        if isinstance(node, MeasureName):
            return self._named(node.measure, f"{place}/measure")
        try:
            return self._aggregates.value(node, pointer + place, depth)
        except Misfit as exc:
            raise Misfit(str(exc), place + exc.pointer, exc.hint) from None

    def _sides(self, node: CompareSides, pointer: str, depth: int) -> SidesTest | None:
        left = right = None
        with self._notes.noting(pointer):
            left = self._side(node.left, pointer, "/left", depth)
        with self._notes.noting(pointer):
            right = self._side(node.right, pointer, "/right", depth)
        times = _number(node.times, "/times")
        if left is None or right is None:
            return None
        one, other = left.result, right.result
        if not (one.is_number and other.is_number):
            if not one.is_time or one.kind is not other.kind:
                message = f"values of type {one} and {other} are not held against each other"
                raise Misfit(message, "/right", "both are numbers, dates or timestamps")
            if times != 1:
                raise Misfit("times fits numbers", "/times")
        return SidesTest(
            pointer=pointer, left=left, relation=node.compare, right=right, times=scaled(times)
        )

    def _top(self, node: Top, pointer: str, depth: int) -> TopTest | None:
        if (node.limit is None) == (node.percent is None):
            raise Misfit("top takes either limit or percent", "/limit")
        share = None if node.percent is None else _share(node.percent)
        by: AggregateFold | ScopeColumn | None
        if isinstance(node.by, Measurable):
            by = self._side(node.by, pointer, "/by", depth)
            kind = None if by is None else by.result
        else:
            by = self._singles.ranked(node.by)
            kind = by.kind if isinstance(by, ScopeColumn) else by.result
        if by is None or kind is None:
            return None
        if not (kind.is_number or kind.is_time):
            raise Misfit(f"top ranks numbers and times, not {kind}", "/by")
        return TopTest(
            pointer=pointer,
            by=by,
            descending=node.descending,
            limit=node.limit,
            percent=None if share is None else scaled(share),
        )

    def _sample(self, node: Sample, pointer: str) -> SampleTest:
        share = Fraction(_share(node.percent))
        if len(node.salt) > self.frame.limits.text:
            raise Misfit(f"a text has at most {self.frame.limits.text} characters", "/salt")
        return SampleTest(pointer=pointer, salt=node.salt, below=math.ceil(share * 100))


def _number(value: Scalar, pointer: str) -> int | Decimal:
    try:
        return read_exact(value)
    except ValueError:
        raise Misfit("not a number", pointer) from None


def _share(value: Scalar) -> int | Decimal:
    number = _number(value, "/percent")
    if not 0 <= number <= 100:
        raise Misfit("a percent is between 0 and 100", "/percent")
    return number
