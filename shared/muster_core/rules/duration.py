"""Durations such as ``30 days``: fixed lengths, or calendar steps clamped to the month's end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from muster_core.rules.instant import from_local, to_local

_FORM = re.compile(r"([0-9]{1,12}) +(second|minute|hour|day|week|month|quarter|year)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MAX_SECONDS = 100 * 366 * 86_400
_MAX_MONTHS = 1_200


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A length of time: `seconds` of fixed length, or `months` as calendar steps; one of them is 0."""

    seconds: int = 0
    months: int = 0

    def __str__(self) -> str:
        number, unit = (self.months, "month") if self.months else (self.seconds, "second")
        return f"{number} {unit}{'' if number == 1 else 's'}"


def parse_duration(text: str) -> Duration:
    """Read a duration such as ``30 days`` or ``1 month``.

    Raises:
        ValueError: `text` is no duration, is zero, or is longer than 100 years.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            "not a duration: write a positive whole number and a unit, such as 30 days or 1 month"
        )
    number, unit = int(match[1]), match[2]
    if number == 0:
        raise ValueError("a duration must be longer than zero")
    found = (
        Duration(seconds=number * _SECONDS[unit])
        if unit in _SECONDS
        else Duration(months=number * _MONTHS[unit])
    )
    if found.seconds > _MAX_SECONDS or found.months > _MAX_MONTHS:
        raise ValueError("a duration is at most 100 years")
    return found


def shift(instant: datetime, duration: Duration, *, zone: ZoneInfo, sign: int) -> datetime:
    """Return `instant` moved by `duration` into the past (`sign` -1) or future (+1).

    Months are stepped on the zone's calendar; a day the month does not have becomes its last day.

    Raises:
        ValueError: the result lies outside the calendar, the years 1 to 9999.
    """
    try:
        return _shifted(instant, duration, zone, sign)
    except (OverflowError, ValueError):
        raise ValueError("the duration leads out of the calendar, the years 1 to 9999") from None


def _shifted(instant: datetime, duration: Duration, zone: ZoneInfo, sign: int) -> datetime:
    if duration.seconds:
        return instant + sign * timedelta(seconds=duration.seconds)
    local = to_local(instant, zone)
    month = local.year * 12 + local.month - 1 + sign * duration.months
    year, month = divmod(month, 12)
    day = min(local.day, _days_of(year, month + 1))
    return from_local(local.replace(year=year, month=month + 1, day=day), zone)


def _days_of(year: int, month: int) -> int:
    following = datetime(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
