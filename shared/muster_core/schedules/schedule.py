"""When a segment is due: with the system refresh, at times of its own, or never by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from muster_core.errors import InvalidInput, Problem
from muster_core.schedules.cron import Cron, next_times, parse_cron
from muster_core.schedules.zone import read_zone


class ScheduleKind(StrEnum):
    """The three kinds of schedule."""

    SYSTEM = "system"
    CRON = "cron"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A checked schedule; `cron` and `timezone` are set for the kind cron."""

    kind: ScheduleKind
    cron: str | None = None
    timezone: str | None = None

    def times(self) -> Cron | None:
        """Return the cron to compute due instants with, or None where the schedule has none of its own."""
        if self.cron is None:
            return None
        return parse_cron(self.cron, self.timezone or "UTC")

    def coming(self, first: datetime | None, count: int = 5) -> list[datetime]:
        """Return the next `count` due instants, of which `first` is the next; none where it is None."""
        cron = None if first is None else self.times()
        if first is None or cron is None:
            return []
        return [first, *next_times(cron, first, count - 1)]

    def to_json(self) -> dict[str, str]:
        """Return what is kept in the control database."""
        if self.cron is None:
            return {"kind": self.kind.value}
        return {"kind": self.kind.value, "cron": self.cron, "timezone": self.timezone or "UTC"}


SYSTEM = Schedule(kind=ScheduleKind.SYSTEM)
OFF = Schedule(kind=ScheduleKind.OFF)


def stored_schedule(value: Mapping[str, str]) -> Schedule:
    """Return the schedule that `Schedule.to_json` wrote, unchecked: a record can always be shown."""
    return Schedule(
        kind=ScheduleKind(value["kind"]), cron=value.get("cron"), timezone=value.get("timezone")
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
    zone = value.get("timezone") or timezone
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
