"""Reference: instants, local days, durations and windows, one value at a time.

Written from the rules alone; shares no code with the product.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

#: Fixed lengths in seconds.
_LENGTHS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
#: Calendar steps in months.
_STEPS = {"month": 1, "quarter": 3, "year": 12}
_MICROSECOND = timedelta(microseconds=1)
#: Literals name no later year.
_LAST_YEAR = 2_200


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The one evaluation time and the zone in which days and months are counted."""

    as_of: datetime
    zone: ZoneInfo

    def day(self, value: date) -> date:
        """Return the local calendar day of an instant; a date is one already."""
        return value.astimezone(self.zone).date() if isinstance(value, datetime) else value

    def instant(self, local: datetime) -> datetime:
        """Return the instant of a wall-clock time.

        In a gap it moves forward by the gap, a repeated one is the first: both is what fold 0 means.
        """
        return local.replace(tzinfo=self.zone, fold=0).astimezone(UTC)

    def midnight(self, day: date) -> datetime:
        """Return the first instant of a local day, also where its midnight does not exist."""
        return _midnight(self, day)

    def moment(self, value: date) -> datetime:
        """Return the instant of a time value: a DATE counts as its local midnight."""
        return value if isinstance(value, datetime) else self.midnight(value)

    def read(self, literal: str) -> datetime:
        """Return the instant of a literal: a date is its midnight, no offset means the segment's zone."""
        if is_date(literal):
            return self.midnight(date.fromisoformat(literal))
        found = datetime.fromisoformat(literal)
        return self.instant(found) if found.tzinfo is None else found.astimezone(UTC)

    def moved(self, start: datetime, duration: str, times: int) -> datetime:
        """Return `start` moved by `times` a duration, made in one step."""
        number, unit = duration.split()
        unit = unit.removesuffix("s")
        if unit in _LENGTHS:
            return start + times * int(number) * timedelta(seconds=_LENGTHS[unit])
        local = start.astimezone(self.zone).replace(tzinfo=None, fold=0)
        months = local.year * 12 + local.month - 1 + times * int(number) * _STEPS[unit]
        year, month = months // 12, months % 12 + 1
        last_day = calendar.monthrange(year, month)[1]
        return self.instant(local.replace(year=year, month=month, day=min(local.day, last_day)))

    def ago(self, duration: str) -> datetime:
        """Return `as_of` minus a duration."""
        return self.moved(self.as_of, duration, -1)

    def ahead(self, duration: str) -> datetime:
        """Return `as_of` plus a duration."""
        return self.moved(self.as_of, duration, 1)

    def holds(self, window: dict[str, Any], value: date) -> bool:
        """Whether a time lies in a window."""
        t = self.moment(value)
        match window:
            case {"last": length}:
                return self.ago(length) < t <= self.as_of
            case {"next": length}:
                return self.as_of < t <= self.ahead(length)
            case {"between_ago": [far, near]}:
                return self.ago(far) < t <= self.ago(near)
            case {"before_ago": length}:
                return t <= self.ago(length)
            case {"calendar": "year_to_date"}:
                return self.midnight(self._today().replace(month=1, day=1)) <= t <= self.as_of
            case {"calendar": name}:
                first, end = self._period(name)
                return self.midnight(first) <= t < self.midnight(end)
            case {"day_offset": days}:
                day = self._today() + timedelta(days=days)
                return self.midnight(day) <= t < self.midnight(day + timedelta(days=1))
        after = window.get("from") is None or self.read(window["from"]) <= t
        return after and (window.get("to") is None or t < self.read(window["to"]))

    def anniversary_holds(self, window: dict[str, Any], born: date) -> bool:
        """Whether in some year not before its own the date's return, at local midnight, is in the window."""
        day = self.day(born)
        years = range(day.year, max(day.year, _LAST_YEAR) + 1)
        return any(self.holds(window, _anniversary(day, year)) for year in years)

    def _today(self) -> date:
        return self.day(self.as_of)

    def _period(self, name: str) -> tuple[date, date]:
        """Return the first day of a calendar window and the first day after it."""
        today = self._today()
        if name in ("today", "yesterday", "tomorrow"):
            day = today + timedelta(days={"today": 0, "yesterday": -1, "tomorrow": 1}[name])
            return day, day + timedelta(days=1)
        which, unit = name.split("_")
        offset = {"last": -1, "this": 0, "next": 1}[which]
        if unit == "week":
            monday = today - timedelta(days=today.weekday())
            return monday + timedelta(weeks=offset), monday + timedelta(weeks=offset + 1)
        length = _STEPS[unit]
        index = (today.year * 12 + today.month - 1) // length + offset
        return _month(index * length), _month((index + 1) * length)


@lru_cache(maxsize=100_000)
def _midnight(clock: Clock, day: date) -> datetime:
    wanted = datetime.combine(day, time())
    found = clock.instant(wanted)
    if found.astimezone(clock.zone).replace(tzinfo=None, fold=0) == wanted:
        return found
    # midnight lies in a gap: look for the first instant whose local day is this one
    early, late = found - timedelta(days=1), found
    while late - early > _MICROSECOND:
        middle = early + (late - early) // 2
        if clock.day(middle) >= day:
            late = middle
        else:
            early = middle
    return late


def is_date(literal: Any) -> bool:
    """Whether a literal is a date alone."""
    return isinstance(literal, str) and len(literal) == len("2026-03-01")


def _month(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)


def _anniversary(day: date, year: int) -> date:
    """Return the day in `year`; 29 February is kept on 28 February in common years."""
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))
