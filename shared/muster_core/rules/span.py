"""Relative times as spans around `as_of` that hold whatever `as_of` is: how early and how late each end can be.

A month has 28 to 31 days and a local day 23 to 25 hours, so an end is known to within a range only. What is
impossible for every place in the ranges is impossible at every `as_of`.
"""

from __future__ import annotations

from dataclasses import dataclass

from muster_core.rules.duration import parse_duration
from muster_core.rules.value import Ago, Ahead, Window

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
#: How far the start of a local day may be from a multiple of 24 hours before `as_of`.
_SLACK = 26 * _HOUR

#: Days from today to begin and end (excluded) of calendar windows, each (earliest, latest).
_CALENDAR = {
    "today": ((0, 0), (1, 1)),
    "yesterday": ((-1, -1), (0, 0)),
    "tomorrow": ((1, 1), (2, 2)),
    "this_week": ((-6, 0), (1, 7)),
    "last_week": ((-13, -7), (-6, 0)),
    "next_week": ((1, 7), (8, 14)),
    "this_month": ((-30, 0), (1, 31)),
    "last_month": ((-61, -28), (-30, 0)),
    "next_month": ((1, 31), (29, 62)),
    "this_quarter": ((-91, 0), (1, 92)),
    "last_quarter": ((-183, -90), (-91, 0)),
    "next_quarter": ((1, 92), (91, 184)),
    "this_year": ((-365, 0), (1, 366)),
    "last_year": ((-731, -365), (-365, 0)),
    "next_year": ((1, 366), (366, 732)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Microseconds from `as_of` to an end of a span: at least `least`, at most `most`."""

    least: int
    most: int

    def moved(self, micros: int) -> End:
        """Return the end so many microseconds later."""
        return End(least=self.least + micros, most=self.most + micros)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """First and last moment, both included; None is an open side."""

    low: End | None = None
    high: End | None = None

    def apart(self, other: Span) -> bool:
        """Whether the two have surely no moment in common."""
        return _beyond(self.low, other.high) or _beyond(other.low, self.high)

    def outside(self) -> Span | None:
        """Return everything else, where that is one span too."""
        if self.low is None and self.high is not None:
            return Span(low=self.high.moved(1))
        if self.high is None and self.low is not None:
            return Span(high=self.low.moved(-1))
        return None


VISIBLE = Span(high=End(least=0, most=0))


def _beyond(low: End | None, high: End | None) -> bool:
    return low is not None and high is not None and low.least > high.most


def window_span(window: Window) -> Span | None:
    """Return where a window lies around `as_of`; None for one between fixed dates."""
    now = End(least=0, most=0)
    match window.form:
        case "last":
            return Span(low=_ago(window.last).moved(1), high=now)
        case "next":
            return Span(low=now.moved(1), high=_ahead(window.next))
        case "between_ago":
            assert window.between_ago is not None
            far, near = window.between_ago
            return Span(low=_ago(far).moved(1), high=_ago(near))
        case "before_ago":
            return Span(high=_ago(window.before_ago))
        case "calendar":
            assert window.calendar is not None
            if window.calendar == "year_to_date":
                return Span(low=_days(*_CALENDAR["this_year"]).low, high=now)
            return _days(*_CALENDAR[window.calendar])
        case "day_offset":
            assert window.day_offset is not None
            day = window.day_offset
            return _days((day, day), (day + 1, day + 1))
        case _:
            return None


def compared_span(compare: str, value: Ago | Ahead, *, dates: bool) -> Span | None:
    """Return where a value passes a comparison with a relative time; `dates`: by its local date."""
    end = _ago(value.ago) if isinstance(value, Ago) else _ahead(value.ahead)
    if dates:
        end = End(least=end.least - 2 * _SLACK, most=end.most + 2 * _SLACK)
    match compare:
        case "eq":
            return Span(low=end, high=end)
        case "gt":
            return Span(low=end.moved(1))
        case "gte":
            return Span(low=end)
        case "lt":
            return Span(high=end.moved(-1))
        case "lte":
            return Span(high=end)
        case _:
            return None


def held_span(compare: str, duration: str) -> Span:
    """Return where the start of a run lies that is held at least, or less than, so long."""
    end = _ago(duration)
    return Span(high=end) if compare == "gte" else Span(low=end.moved(1))


def _ago(text: str | None) -> End:
    shortest, longest = _lengths(text)
    return End(least=-longest, most=-shortest)


def _ahead(text: str | None) -> End:
    shortest, longest = _lengths(text)
    return End(least=shortest, most=longest)


def _lengths(text: str | None) -> tuple[int, int]:
    assert text is not None
    duration = parse_duration(text)
    if not duration.months:
        return duration.seconds * 1_000_000, duration.seconds * 1_000_000
    years, months = divmod(duration.months, 12)
    shortest, longest = years * 365 + months * 28, years * 366 + months * 31
    return shortest * _DAY - _SLACK, longest * _DAY + _SLACK


def _days(begin: tuple[int, int], end: tuple[int, int]) -> Span:
    low, high = _start(begin), _start(end).moved(-1)
    if begin[0] > 0:  # days to come begin after now, whatever the clocks do
        low = End(least=max(low.least, 1), most=max(low.most, 1))
    elif begin[1] <= 0:
        low = End(least=min(low.least, 0), most=min(low.most, 0))
    if end[1] <= 0:
        high = End(least=min(high.least, -1), most=min(high.most, -1))
    elif end[0] > 0:
        high = End(least=max(high.least, 0), most=max(high.most, 0))
    return Span(low=low, high=high)


def _start(days: tuple[int, int]) -> End:
    return End(least=days[0] * _DAY - 2 * _SLACK, most=days[1] * _DAY + _SLACK)
