"""Cron expressions in a time zone, as instants in UTC.

Daylight saving: an expression whose hour field is ``*`` or ``*/n`` follows elapsed time, so an hourly one runs
every hour of the day the clocks change. Any other means wall-clock times: a time that does not exist runs once,
at the first instant after the gap; a time that comes twice runs once, the first time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from muster_core.schedules.zone import read_zone

#: Longer than anything sensible, short enough to be parsed at once.
_LONGEST = 200

_FIELDS = 5
#: The widest change of a zone's clocks on record is a whole day (Samoa, 2011).
_WIDEST_SHIFT = timedelta(hours=26)


class Recurrence(Protocol):
    """Whatever gives due instants: a cron, or several times of a timetable."""

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the due instants later than `instant`, ascending, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A checked expression of five fields and its zone."""

    expression: str
    zone: ZoneInfo

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether the hour field leaves the clock out of it."""
        return self.expression.split()[1].startswith("*")

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the due instants later than `instant`, ascending, in UTC.

        It ends where the expression never comes again within fifty years.
        """
        return self._elapsed(instant) if self.follows_elapsed_time else self._wall_clock(instant)

    def _elapsed(self, instant: datetime) -> Iterator[datetime]:
        # CronSim walks plain local time; between two changes of the clocks that is elapsed time. Its own
        # handling of zones errs where clocks change by half an hour.
        moment = instant.astimezone(UTC).replace(microsecond=0)
        offset, simulation = _offset(moment, self.zone), self._from(_local(moment, self.zone))
        while (local := next(simulation, None)) is not None:
            found = local.replace(tzinfo=UTC) - offset
            # A change farther away than this repeats no time already passed.
            horizon = min(found, moment + _WIDEST_SHIFT)
            if _offset(horizon, self.zone) == offset:
                horizon = found
            if _offset(horizon, self.zone) == offset:
                moment = found
                yield found
            else:
                moment = _change(moment, horizon, self.zone)
                offset = _offset(moment, self.zone)
                simulation = self._from(_local(moment, self.zone) - timedelta(seconds=1))

    def _from(self, local: datetime) -> Iterator[datetime]:
        return iter(CronSim(self.expression, local))

    def _wall_clock(self, instant: datetime) -> Iterator[datetime]:
        latest = instant.astimezone(UTC)
        # Near a change of the clocks, local times before `instant`'s own can still lie ahead of it.
        start = _local(latest, self.zone)
        if _offset(latest - _WIDEST_SHIFT, self.zone) != _offset(latest, self.zone):
            start -= _WIDEST_SHIFT
        # One minute back: the simulation's first answer is strictly later than where it starts.
        for local in self._from(start - timedelta(minutes=1)):
            found = _instant(local, self.zone)
            if found > latest:
                latest = found
                yield found


@cache
def _parse(expression: str, zone: ZoneInfo) -> Cron:
    return Cron(expression=expression, zone=zone)


def parse_cron(expression: str, timezone: str) -> Cron:
    """Read a cron expression of five fields (minute, hour, day, month, weekday).

    Raises:
        ValueError: it is not one, it never comes, or the zone is unknown; the message can be shown.
    """
    zone = read_zone(timezone)
    if len(expression) > _LONGEST:
        raise ValueError(f"a cron expression has at most {_LONGEST} characters")
    fields = expression.split()
    if len(fields) != _FIELDS:
        raise ValueError(
            f"a cron expression has 5 fields (minute hour day month weekday), this has {len(fields)}"
        )
    try:
        first = next(CronSim(expression, datetime(2024, 1, 1)), None)
    except CronSimError as exc:
        raise ValueError(f"{str(exc).lower()} in the cron expression") from exc
    if first is None:
        raise ValueError("this cron expression never comes")
    return _parse(" ".join(fields), zone)


def next_due(cron: Recurrence, after: datetime) -> datetime | None:
    """Return the first due instant later than `after`, in UTC; None where it never comes."""
    return next(cron.after(after), None)


def next_times(cron: Recurrence, after: datetime, count: int = 5) -> list[datetime]:
    """Return the next `count` due instants later than `after`, in UTC."""
    return list(islice(cron.after(after), count))


def missed(cron: Recurrence, first: datetime, now: datetime, *, limit: int) -> list[datetime]:
    """Return the newest `limit` due instants from `first` (itself due) to `now`, ascending.

    It looks back in widening steps, so that an every-minute schedule of a database that slept for years costs
    no more than `limit` asks for.
    """
    window = timedelta(hours=12)
    while now - window > first:
        found = list(takewhile(lambda instant: instant <= now, cron.after(now - window)))
        if len(found) >= limit:
            return found[-limit:]
        window *= 2
    later = takewhile(lambda instant: instant <= now, cron.after(first))
    return [first, *later][-limit:]


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clocks show `local` for the first time; inside a gap, the gap's end."""
    found = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _local(found, zone) == local:
        return found
    # In a gap: read with the offset after the change it lies before the change, and the other way round.
    return _change(local.replace(tzinfo=zone, fold=1).astimezone(UTC), found, zone)


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant between `low` and `high`, to the second, from which the clocks show another offset."""
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high
