"""Predicates on local dates: parts of the date, and yearly returns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from muster_core.catalog.type import Kind
from muster_core.kernel.column import Column
from muster_core.kernel.source import Bits
from muster_core.kernel.zone import Days, first_days, month_of, zone_table
from muster_core.rules.predicate import Anniversary, CalendarPart

#: 1 January 1970 was a Thursday, day 4 of a week that begins on Monday.
_EPOCH_WEEKDAY = 3


def local_days(column: Column, zone: str) -> Days:
    """Return dates as days since 1970, timestamps by their local date in `zone`."""
    if column.kind.kind is Kind.DATE:
        return column.whole
    return zone_table(zone).days(column.whole)


def has_part(predicate: CalendarPart, column: Column) -> Bits:
    """Return where a part of the date is among the values; what is not set may be either."""
    values = np.array(predicate.values, dtype=np.int64)
    days = local_days(column, predicate.zone)
    return _by_day(days, lambda some: np.isin(_part(predicate.part, some), values))


def returns(predicate: Anniversary, column: Column) -> Bits:
    """Return where some yearly return of the date lies in the span of days; unset may be either."""
    days = local_days(column, predicate.zone)
    return _by_day(days, lambda some: _returning(predicate, some))


def _by_day(days: Days, decide: Callable[[Days], Bits]) -> Bits:
    """Return what is decided of each day; where that is less work, every day between is decided once."""
    if not len(days):
        return np.zeros(0, dtype=np.bool_)
    low, high = int(days.min()), int(days.max())
    if high - low >= len(days):
        return decide(days)
    found: Bits = decide(np.arange(low, high + 1))[days - low]
    return found


def _returning(predicate: Anniversary, days: Days) -> Bits:
    months = month_of(days)
    in_month = days - first_days(months)
    years, month = months // 12, months % 12  # years since 1970
    if predicate.first is None:
        earliest = days
    else:
        start = np.array([predicate.first], dtype=np.int64)
        years = np.maximum(years, month_of(start)[0] // 12)
        this, following = (_return(years + later, month, in_month) for later in (0, 1))
        earliest = np.where(this >= predicate.first, this, following)
    if predicate.last is None:
        return np.ones(len(days), dtype=np.bool_)
    found: Bits = earliest <= predicate.last
    return found


def _return(years: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> Days:
    """Return the date's return in each year; 29 February falls on 28 February in common years."""
    months = years * 12 + month
    begin = first_days(months)
    found: Days = begin + np.minimum(day, first_days(months + 1) - begin - 1)
    return found


def _part(part: str, days: Days) -> NDArray[np.int64]:
    match part:
        case "weekday":
            return (days + _EPOCH_WEEKDAY) % 7 + 1
        case "year":
            return month_of(days) // 12 + 1970
        case "month":
            return month_of(days) % 12 + 1
        case _:
            return days - first_days(month_of(days)) + 1
