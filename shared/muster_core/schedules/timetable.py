"""Times of day on every day or on some weekdays, as the system refresh is scheduled: several crons in one."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from muster_core.schedules.cron import Cron, parse_cron

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: A refresh every ten minutes of the day; whoever wants more writes a cron.
MOST_TIMES = 144

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The instants of several crons, each once."""

    crons: tuple[Cron, ...]

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the due instants later than `instant`, ascending, in UTC."""
        latest: datetime | None = None
        # two times in one gap of the clocks both come at its end
        for found in heapq.merge(*(cron.after(instant) for cron in self.crons)):
            if found != latest:
                latest = found
                yield found


def parse_timetable(times: Sequence[str], weekdays: Sequence[str], timezone: str) -> Timetable:
    """Return the timetable of these times (``06:00``) on these weekdays; no weekday means every day.

    Raises:
        ValueError: a time, a weekday or the zone is none; the message can be shown.
    """
    if not times or len(times) > MOST_TIMES:
        raise ValueError(f"a timetable has 1 to {MOST_TIMES} times, this has {len(times)}")
    days = ",".join(str(_weekday(day)) for day in weekdays) or "*"
    return Timetable(
        crons=tuple(
            parse_cron(f"{minute} {hour} * * {days}", timezone)
            for hour, minute in sorted({_time(time) for time in times})
        )
    )


def _time(text: str) -> tuple[int, int]:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:20]!r} is no time of day; write one such as 06:00 or 18:30")
    return int(match[1]), int(match[2])


def _weekday(text: str) -> int:
    try:
        return WEEKDAYS.index(text) + 1
    except ValueError as exc:
        raise ValueError(
            f"{text[:20]!r} is no weekday; write one of {', '.join(WEEKDAYS)}"
        ) from exc
