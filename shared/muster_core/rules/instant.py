"""Instants and local calendars: the only place that knows about gaps and repeated hours.

Instants are aware datetimes in UTC; kernels see them as microseconds since 1970, dates as days since 1970.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Return microseconds since 1970 of an aware datetime."""
    return (instant - EPOCH) // _MICROSECOND


def to_instant(micros: int) -> datetime:
    """Return the UTC datetime `micros` microseconds after 1970."""
    return EPOCH + timedelta(microseconds=micros)


def to_days(day: date) -> int:
    """Return days since 1970."""
    return day.toordinal() - _EPOCH_DAY


def to_date(days: int) -> date:
    """Return the date `days` days after 1970."""
    return date.fromordinal(days + _EPOCH_DAY)


def to_local(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the naive wall-clock time of `instant` in `zone`."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def from_local(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall-clock time: the first of a repeated one, moved by the gap in a gap.

    With fold 0 the offset before the transition applies, which is both rules at once.
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local calendar day, also where its midnight does not exist."""
    midnight = datetime(day.year, day.month, day.day)
    moved = from_local(midnight, zone)
    if to_local(moved, zone) == midnight:
        return moved
    # Midnight lies in a gap: the day begins at the transition, the first second with the new offset.
    late, early = moved, midnight.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == after:
            late = middle
        else:
            early = middle
    return late


def first_day_from(micros: int, zone: ZoneInfo) -> int:
    """Return the earliest day (since 1970) whose start in `zone` is at or after an instant."""
    day = to_days(to_local(to_instant(micros), zone).date()) - 1
    while to_micros(start_of_day(to_date(day), zone)) < micros:
        day += 1
    return day


def last_day_until(micros: int, zone: ZoneInfo) -> int:
    """Return the latest day (since 1970) whose start in `zone` is at or before an instant."""
    day = to_days(to_local(to_instant(micros), zone).date()) + 1
    while to_micros(start_of_day(to_date(day), zone)) > micros:
        day -= 1
    return day
