"""What the statistics of a snapshot say of the values conditions ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from muster_core.catalog.statistic import ColumnStatistic, Statistics
from muster_core.catalog.type import ColumnType, Kind
from muster_core.errors import Problem
from muster_core.rules.fact import Fact, exhausted
from muster_core.rules.formula import Literal_, impossible
from muster_core.rules.predicate import (
    ElementPredicate,
    FloatRanges,
    Predicate,
    SomeElement,
    TextIn,
    Truth,
    WholeRanges,
)
from muster_core.rules.scope import ScopeColumn
from muster_core.rules.sketch import Found, Part, RowPart, Sketcher


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Holds conditions against the values that were there when a snapshot was counted."""

    statistics: Statistics
    counted_at: datetime | None
    sketcher: Sketcher

    def leaf(self, part: Part, whom: str) -> list[Problem]:
        """Return a warning where nothing that was counted can pass a comparison."""
        if not isinstance(part.formula, Literal_):
            return []
        fact = part.formula.fact
        known = self.sketcher.columns.get(fact.key)
        if known is None:
            return []
        statistic = self._statistic(known.stored, known.column)
        if statistic is None or statistic.rows == 0:
            return []
        if not self._excluded(part, statistic, known):
            return []
        return [
            Problem(
                message=f"no {whom} passes this, {self._when}: {_seen(statistic)}",
                pointer=part.pointer,
            )
        ]

    def window(self, rows: RowPart) -> list[Problem]:
        """Return a warning where no row was there, or all came after the window."""
        if rows.column is None or rows.high is None:
            return []
        statistic = self._statistic(rows.stored, rows.column)
        if statistic is None or statistic.minimum is None or rows.high >= statistic.minimum:
            return []
        message = f"the window ends before the earliest row of {rows.table[:100]}, {self._when}"
        return [Problem(message=message, pointer=f"{rows.pointer}/window")]

    @property
    def _when(self) -> str:
        if self.counted_at is None:
            return "by the statistics of the latest snapshot"
        return f"by the statistics of {self.counted_at.date().isoformat()}"

    def _statistic(self, place: str, column: ScopeColumn) -> ColumnStatistic | None:
        if column.steps:
            return self.statistics.dimension(column.steps[-1].table, column.column)
        if column.outside:  # the profile's own column, named in a condition on rows
            return None
        return self.statistics.column(place, column.column)

    def _excluded(self, part: Part, statistic: ColumnStatistic, found: Found) -> bool:
        assert isinstance(part.formula, Literal_)
        fact = part.formula.fact
        column = found.column
        missing = statistic.nulls > 0 or column.outside or found.optional
        if fact.missing and missing:
            return False
        if isinstance(fact.predicate, SomeElement):
            return fact.inside and _no_element(fact.predicate.of, statistic, column.kind)
        bases = {
            fact.key: [
                Fact(key=fact.key, inside=True, missing=missing, predicate=predicate)
                for predicate in _predicates(statistic, column.kind)
            ]
        }
        return bool(bases[fact.key]) and impossible(part.formula, bases)


def _predicates(statistic: ColumnStatistic, kind: ColumnType) -> Iterator[Predicate]:
    """Yield what every counted value passes; times go on, so nothing is said of the latest."""
    if statistic.values is not None:
        found = _listed(statistic.values, kind)
        if found is not None:
            yield found
    low = statistic.minimum
    if low is not None and statistic.maximum is not None:
        high = None if kind.is_time else statistic.maximum
        if kind.kind is Kind.FLOAT:
            yield FloatRanges(ranges=((float(low), None if high is None else float(high)),))
        else:
            yield WholeRanges(ranges=((int(low), None if high is None else int(high)),))


def _listed(values: dict[str, int], kind: ColumnType) -> ElementPredicate | None:
    match kind.kind:
        case Kind.TEXT:
            return TextIn(texts=tuple(values))
        case Kind.BOOLEAN:
            return Truth(expected="true" in values) if len(values) == 1 else None
        case Kind.INTEGER | Kind.DECIMAL:
            whole = sorted(int(value) for value in values)
            return WholeRanges(ranges=tuple((value, value) for value in whole))
        case _:
            return None


def _no_element(of: ElementPredicate, statistic: ColumnStatistic, kind: ColumnType) -> bool:
    if kind.element is None or statistic.values is None:
        return False
    listed = _listed(statistic.values, kind.element)
    return listed is not None and exhausted([(of, True), (listed, True)])


def _seen(statistic: ColumnStatistic) -> str:
    if statistic.values is not None:
        number = len(statistic.values)
        return f"the column has {number} value{'' if number == 1 else 's'}, and none of them does"
    return "all values of the column lie elsewhere"
