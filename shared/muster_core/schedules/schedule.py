"""When a segment is due: with the system refresh, at times of its own, or never by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from muster_core.errors import InvalidInput, Problem
from muster_core.schedules.cron import Recurrence, next_times, parse_cron
from muster_core.schedules.timetable import WEEKDAYS, parse_timetable
from muster_core.schedules.zone import read_zone


class ScheduleKind(StrEnum):
    """The kinds of schedule; times of day are for the system refresh only."""

    SYSTEM = "system"
    CRON = "cron"
    TIMES = "times"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A checked schedule; `cron` is set for the kind cron, `at` for times, `timezone` for both."""

    kind: ScheduleKind
    cron: str | None = None
    timezone: str | None = None
    #: Times of day such as ``06:00``.
    at: tuple[str, ...] = ()
    #: The days they are meant for, ``mon`` to ``sun``; empty means every day.
    weekdays: tuple[str, ...] = ()

    def times(self) -> Recurrence | None:
        """Return what gives the due instants, or None where the schedule has none of its own."""
        if self.at:
            return parse_timetable(self.at, self.weekdays, self.timezone or "UTC")
        if self.cron is None:
            return None
        return parse_cron(self.cron, self.timezone or "UTC")

    def coming(self, first: datetime | None, count: int = 5) -> list[datetime]:
        """Return the next `count` due instants, of which `first` is the next; none where it is None."""
        cron = None if first is None else self.times()
        if first is None or cron is None:
            return []
        return [first, *next_times(cron, first, count - 1)]

    def text(self) -> str:
        """Return the schedule in words: ``system``, ``off``, its cron or its times, with the zone."""
        if self.at:
            days = ", ".join(self.weekdays) or "daily"
            return f"{days} at {', '.join(self.at)} {self.timezone}"
        return str(self.kind) if self.cron is None else f"{self.cron} {self.timezone}"

    def to_json(self) -> dict[str, Any]:
        """Return what is kept in the control database."""
        if self.at:
            return {
                "kind": self.kind.value,
                "times": list(self.at),
                "weekdays": list(self.weekdays),
                "timezone": self.timezone or "UTC",
            }
        if self.cron is None:
            return {"kind": self.kind.value}
        return {"kind": self.kind.value, "cron": self.cron, "timezone": self.timezone or "UTC"}


SYSTEM = Schedule(kind=ScheduleKind.SYSTEM)
OFF = Schedule(kind=ScheduleKind.OFF)


def stored_schedule(value: Mapping[str, Any]) -> Schedule:
    """Return the schedule that `Schedule.to_json` wrote, unchecked: a record can always be shown."""
    return Schedule(
        kind=ScheduleKind(value["kind"]),
        cron=value.get("cron"),
        timezone=value.get("timezone"),
        at=tuple(value.get("times", ())),
        weekdays=tuple(value.get("weekdays", ())),
    )


def daily(times: Sequence[str], *, weekdays: Sequence[str] = (), timezone: str = "UTC") -> Schedule:
    """Return the schedule of these times of day, every day or on these weekdays.

    Raises:
        InvalidInput: a time, a weekday or the zone is none.
    """
    days = [day.strip().lower()[:20] for day in weekdays]
    try:
        read_zone(timezone)
        parse_timetable(times, days, timezone)
    except ValueError as exc:
        raise InvalidInput([Problem(message=str(exc), pointer="/schedule")]) from exc
    return Schedule(
        kind=ScheduleKind.TIMES,
        at=tuple(sorted(set(times))),
        weekdays=tuple(sorted(set(days), key=WEEKDAYS.index)),
        timezone=timezone,
    )


def read_schedule(value: object, *, timezone: str = "UTC") -> Schedule:
    """Read a schedule as a document (``system``, ``off``, ``{cron, timezone}``) or the database has it.

    `timezone` is the zone of a cron that names none.

    Raises:
        InvalidInput: it is none of these, or its cron or zone is not one; each problem has a JSON pointer.
    """
    if value in (ScheduleKind.SYSTEM, {"kind": "system"}):
        return SYSTEM
    if value in (ScheduleKind.OFF, {"kind": "off"}):
        return OFF
    if isinstance(value, Mapping) and value.get("kind") == ScheduleKind.TIMES:
        return daily(value["times"], weekdays=value["weekdays"], timezone=value["timezone"])
    if not isinstance(value, Mapping) or not isinstance(value.get("cron"), str):
        raise InvalidInput(
            [
                Problem(
                    message="a schedule is `system`, `off` or a cron with a zone",
                    pointer="/schedule",
                    hint='for example {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}',
                )
            ]
        )
    given = value.get("timezone")
    zone = timezone if given is None else given
    problems: list[Problem] = []
    for pointer, check in (
        ("/schedule/timezone", lambda: read_zone(zone)),
        ("/schedule/cron", lambda: parse_cron(value["cron"], "UTC")),
    ):
        try:
            check()
        except ValueError as exc:
            problems.append(Problem(message=str(exc), pointer=pointer))
    if problems:
        raise InvalidInput(problems)
    return Schedule(
        kind=ScheduleKind.CRON, cron=" ".join(value["cron"].split()), timezone=str(zone)
    )
