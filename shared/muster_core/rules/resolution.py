"""Conditions after reading them against a catalog: names are columns, literals predicates, windows bounds.

`muster_core.rules.resolve` makes them, `muster_core.kernel.compile` makes nodes of a plan of them.
Bounds of time are in the terms of the table's time column (days or microseconds), both ends included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from muster_core.catalog.type import ColumnType
from muster_core.rules.condition import Function
from muster_core.rules.predicate import Predicate
from muster_core.rules.scope import Scope, ScopeColumn


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
    """A predicate on one column of the profile or of a row; `other` is the column it compares with."""

    pointer: str
    column: ScopeColumn
    predicate: Predicate
    other: ScopeColumn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateFold:
    """An aggregate over the rows inside the bounds that pass `where`; `result` is the type of its value."""

    scope: Scope
    where: Resolved | None
    low: int | None
    high: int | None
    function: Function
    column: ScopeColumn | None
    order_by: ScopeColumn | None
    result: ColumnType


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestFold:
    """Whether the latest visible row that passes `where` passes `having`."""

    scope: Scope
    where: Resolved | None
    high: int | None
    having: Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRows:
    """Whether visible rows pass `steps` one strictly after the other within a duration of the first."""

    scope: Scope
    steps: tuple[Resolved, ...]
    low: int | None
    high: int | None
    visible: int
    seconds: int
    months: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRows:
    """Whether the row count passes in at least so many periods between neighbours of falling `edges`."""

    scope: Scope
    where: Resolved | None
    edges: tuple[int, ...]
    at_least: int
    predicate: Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRows:
    """The start of the current unbroken run of a value, by rows whose `field` is `name`."""

    scope: Scope
    field: ScopeColumn
    name: str
    value: ScopeColumn
    predicate: Predicate
    visible: int


ResolvedFold = AggregateFold | LatestFold | SequenceRows | PeriodRows | HeldRows


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsTest:
    """A predicate on what was found over a customer's rows."""

    pointer: str
    fold: ResolvedFold
    predicate: Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesTest:
    """Two aggregates of one customer: `left` in `relation` to `right` times ``times[0] / 10**times[1]``."""

    pointer: str
    left: AggregateFold
    relation: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    right: AggregateFold
    times: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopTest:
    """The first by rank; `percent` is ``percent[0] / 10**percent[1]``."""

    pointer: str
    by: AggregateFold | ScopeColumn
    descending: bool
    limit: int | None
    percent: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTest:
    """Customers whose hash with `salt` is below `below` of 10,000."""

    pointer: str
    salt: str
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTest:
    """Members of another segment."""

    pointer: str
    name: str


Resolved = Universe | Group | ColumnTest | RowsTest | SidesTest | TopTest | SampleTest | SegmentTest


def joined(
    join: Literal["and", "or", "not"], parts: list[Resolved | None], pointer: str
) -> Group | None:
    """Return the operands as a group, or None where one of them could not be resolved."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Group(pointer=pointer, join=join, of=tuple(known))
