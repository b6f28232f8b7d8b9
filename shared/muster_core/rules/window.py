"""Windows as bounds of time: the first and last microsecond, and what they are in a column's own terms."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.duration import parse_duration, shift
from muster_core.rules.instant import (
    first_day_from,
    last_day_until,
    start_of_day,
    to_local,
    to_micros,
)
from muster_core.rules.literal import Frame, whole_span
from muster_core.rules.misfit import Misfit
from muster_core.rules.value import Window

#: First and last moment, both included; None is an open side.
Bounds = tuple[int | None, int | None]

_STEPS = {"last": -1, "this": 0, "next": 1}
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_OUTSIDE = "the window leads out of the calendar, the years 1 to 9999"


def window_bounds(window: Window, frame: Frame) -> Bounds:
    """Return first and last microsecond of a window; None is an open side.

    Raises:
        Misfit: the window is impossible.
    """
    try:
        return _bounds(window, frame)
    except OverflowError:
        raise Misfit(_OUTSIDE, f"/{window.form}") from None


def column_bounds(bounds: Bounds, kind: ColumnType, frame: Frame) -> Bounds:
    """Return bounds in microseconds in the terms of a column; a date counts as its local midnight.

    Raises:
        Misfit: they leave the calendar.
    """
    if kind.kind is not Kind.DATE:
        return bounds
    low, high = bounds
    try:
        return (
            None if low is None else first_day_from(low, frame.zone),
            None if high is None else last_day_until(high, frame.zone),
        )
    except (OverflowError, ValueError):
        raise Misfit(_OUTSIDE, "") from None


def _bounds(window: Window, frame: Frame) -> Bounds:
    now = to_micros(frame.as_of)
    match window.form:
        case "last":
            return _ago(window.last, frame, "/last") + 1, now
        case "next":
            return now + 1, _moved(window.next, frame, 1, "/next")
        case "between_ago":
            assert window.between_ago is not None
            far, near = window.between_ago
            _check_far_exceeds_near(far, near)
            return _ago(far, frame, "/between_ago") + 1, _ago(near, frame, "/between_ago")
        case "before_ago":
            return None, _ago(window.before_ago, frame, "/before_ago")
        case "calendar":
            assert window.calendar is not None
            return _calendar(window.calendar, frame)
        case "day_offset":
            assert window.day_offset is not None
            day = _today(frame) + timedelta(days=window.day_offset)
            return _days(day, day + timedelta(days=1), frame, "/day_offset")
        case _:
            return _between(window, frame)


def _between(window: Window, frame: Frame) -> Bounds:
    low = None if window.from_ is None else _edge(window.from_, frame, "/from")
    high = None if window.to is None else _edge(window.to, frame, "/to") - 1
    if low is not None and high is not None and low > high:
        raise Misfit("the window ends before it begins", "/to")
    return low, high


def _edge(text: str, frame: Frame, pointer: str) -> int:
    try:
        return whole_span(text, ColumnType(kind=Kind.TIMESTAMP), frame)[0]
    except ValueError as exc:
        raise Misfit(str(exc), pointer) from None


def _ago(duration: str | None, frame: Frame, pointer: str) -> int:
    return _moved(duration, frame, -1, pointer)


def _moved(duration: str | None, frame: Frame, sign: int, pointer: str) -> int:
    assert duration is not None
    try:
        return to_micros(shift(frame.as_of, parse_duration(duration), zone=frame.zone, sign=sign))
    except ValueError as exc:
        raise Misfit(str(exc), pointer) from None


def _today(frame: Frame) -> date:
    return to_local(frame.as_of, frame.zone).date()


def _calendar(name: str, frame: Frame) -> Bounds:
    today = _today(frame)
    if name == "year_to_date":
        begin = start_of_day(today.replace(month=1, day=1), frame.zone)
        return to_micros(begin), to_micros(frame.as_of)
    if name in _DAYS:
        day = today + timedelta(days=_DAYS[name])
        return _days(day, day + timedelta(days=1), frame, "/calendar")
    which, unit = name.split("_")
    if unit == "week":
        monday = today + timedelta(days=7 * _STEPS[which] - today.weekday())
        return _days(monday, monday + timedelta(days=7), frame, "/calendar")
    size = _MONTHS[unit]
    first = ((today.year * 12 + today.month - 1) // size + _STEPS[which]) * size
    try:
        begin_day, end_day = _month(first), _month(first + size)
    except ValueError:
        raise Misfit(_OUTSIDE, "/calendar") from None
    return _days(begin_day, end_day, frame, "/calendar")


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _days(begin: date, end: date, frame: Frame, pointer: str) -> tuple[int, int]:
    try:
        edges: list[datetime] = [start_of_day(day, frame.zone) for day in (begin, end)]
    except (OverflowError, ValueError):
        raise Misfit(_OUTSIDE, pointer) from None
    return to_micros(edges[0]), to_micros(edges[1]) - 1


#: Days of a month, a quarter and a year, by their months.
_SHORTEST = {1: 28, 3: 90, 12: 365}
_LONGEST = {1: 31, 3: 92, 12: 366}


def _check_far_exceeds_near(far: str, near: str) -> None:
    shortest, longest = _seconds(far, _SHORTEST), _seconds(near, _LONGEST)
    if parse_duration(far).months and parse_duration(near).months:
        shortest, longest = parse_duration(far).months, parse_duration(near).months
    if shortest <= longest:
        longer_first = _seconds(near, _SHORTEST) > _seconds(far, _LONGEST)
        hint = f"write the far end first: {near}, then {far}" if longer_first else None
        message = "the far end must surely lie before the near one"
        raise Misfit(message, "/between_ago", hint)


def _seconds(text: str, days: dict[int, int]) -> int:
    duration = parse_duration(text)
    if not duration.months:
        return duration.seconds
    unit = next(months for months in (12, 3, 1) if duration.months % months == 0)
    return duration.months // unit * days[unit] * 86_400
