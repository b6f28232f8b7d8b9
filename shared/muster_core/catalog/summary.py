"""What the statistics of a column say, for people and programs: dates as dates, money as money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from muster_core.catalog.quantile import Sketch, double_of, percentile
from muster_core.catalog.statistic import ColumnStatistic
from muster_core.catalog.type import ColumnType, Kind, parse_type

#: The percentiles that are told, and the most frequent values.
PERCENTS = (1, 5, 25, 50, 75, 95, 99)
MOST_TOP = 10

Value = str | int | float | Decimal | bool | date | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """The value that `percent` of the rows with one do not exceed; it is `low`, `high` or one between them."""

    percent: int
    low: Value
    high: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class TopValue:
    """A value and the number of rows (of arrays: elements) that have it."""

    value: Value
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSummary:
    """One column; of a personal one nothing but the counts of rows is known."""

    column: str
    type: str
    personal: bool
    rows: int
    nulls: int
    #: How many different values there are; None: too many to count, or of a type whose values are not kept.
    distinct: int | None
    minimum: Value | None
    maximum: Value | None
    percentiles: list[Percentile]
    #: The most frequent values; empty where not all are known.
    top: list[TopValue]


def summarise(name: str, known: ColumnStatistic, *, personal: bool) -> ColumnSummary:
    """Return what is known of the column `name`."""
    kind = parse_type(known.kind)
    values = None if personal else known.values
    spread = None if personal else known.spread
    low, high = (None, None) if personal else (known.minimum, known.maximum)
    frequent = sorted((values or {}).items(), key=lambda item: (-item[1], item[0]))[:MOST_TOP]
    return ColumnSummary(
        column=name,
        type=known.kind,
        personal=personal,
        rows=known.rows,
        nulls=known.nulls,
        distinct=None if values is None else len(values),
        minimum=None if low is None else _value(low, kind),
        maximum=None if high is None else _value(high, kind),
        percentiles=_percentiles(spread, known, kind) if spread else [],
        top=[TopValue(value=_listed(text, kind), rows=rows) for text, rows in frequent],
    )


def listed_values(known: ColumnStatistic) -> list[TopValue] | None:
    """Return every value of a column that is not personal; None where not all of them are known."""
    if known.values is None:
        return None
    kind = parse_type(known.kind)
    return [TopValue(value=_listed(text, kind), rows=rows) for text, rows in known.values.items()]


def _percentiles(spread: Sketch, known: ColumnStatistic, kind: ColumnType) -> list[Percentile]:
    assert known.minimum is not None
    assert known.maximum is not None
    found = []
    for percent in PERCENTS:
        ends: list[float] = list(percentile(spread, percent))
        if kind.kind is Kind.FLOAT:
            ends = [double_of(int(end)) for end in ends]
        low, high = (min(max(end, known.minimum), known.maximum) for end in ends)
        found.append(Percentile(percent=percent, low=_value(low, kind), high=_value(high, kind)))
    return found


def _listed(text: str, kind: ColumnType) -> Value:
    """Return a value as `ColumnStatistic.values` writes it."""
    element = kind.element or kind
    match element.kind:
        case Kind.TEXT:
            return text
        case Kind.BOOLEAN:
            return text == "true"
    return _value(int(text), element)


def _value(number: float, kind: ColumnType) -> Value:
    """Return a number in the column's own terms as what it stands for.

    Days and instants that Python has no date for, before the year 1 or after 9999, stay numbers.
    """
    try:
        match kind.kind:
            case Kind.DATE:
                return date(1970, 1, 1) + timedelta(days=number)
            case Kind.TIMESTAMP:
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
    except OverflowError:
        return number
    if kind.kind is Kind.DECIMAL:
        # as a text: the default context would round to 28 digits
        return Decimal(f"{int(number)}E-{kind.scale}")
    return number
