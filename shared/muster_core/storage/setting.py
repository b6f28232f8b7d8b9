"""Settings of the deployment that live in the control database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.errors import InvalidInput, Problem
from muster_core.schedules.cron import next_due
from muster_core.schedules.schedule import OFF, Schedule, ScheduleKind, read_schedule
from muster_core.storage.definition_table import setting

#: {"schedule": as `Schedule.to_json`, "next_due_at": ISO instant or null, "error": text or null}
SYSTEM_SCHEDULE = "system_schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSchedule:
    """When the whole deployment is refreshed."""

    schedule: Schedule
    next_due_at: datetime | None


def get_system_schedule(connection: Connection) -> SystemSchedule:
    """Return the schedule of the system refresh; off where none was set."""
    value: dict[str, Any] | None = connection.scalar(
        sa.select(setting.c.value).where(setting.c.name == SYSTEM_SCHEDULE)
    )
    if value is None:
        return SystemSchedule(schedule=OFF, next_due_at=None)
    due = value["next_due_at"]
    return SystemSchedule(
        schedule=read_schedule(value["schedule"]),
        next_due_at=None if due is None else datetime.fromisoformat(due),
    )


def set_system_schedule(connection: Connection, schedule: Schedule) -> SystemSchedule:
    """Refresh everything at the times of `schedule` from now on, or with off never by itself.

    Raises:
        InvalidInput: the schedule has no times of its own.
    """
    if schedule.kind is ScheduleKind.SYSTEM:
        raise InvalidInput(
            [
                Problem(
                    message="the system refresh needs times of day, a cron, or off",
                    pointer="/schedule",
                )
            ]
        )
    cron = schedule.times()
    now: datetime = connection.scalar(sa.text("SELECT clock_timestamp()"))
    due = None if cron is None else next_due(cron, now)
    put_system_schedule(connection, schedule.to_json(), due)
    return SystemSchedule(schedule=schedule, next_due_at=due)


def put_system_schedule(
    connection: Connection,
    schedule: dict[str, Any],
    next_due_at: datetime | None,
    error: str | None = None,
) -> None:
    """Keep the schedule with its next due instant, or with what stopped it."""
    due = None if next_due_at is None else next_due_at.isoformat()
    value = {"schedule": schedule, "next_due_at": due, "error": error}
    statement = insert(setting).values(name=SYSTEM_SCHEDULE, value=value)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"value": statement.excluded.value, "changed_at": sa.text("clock_timestamp()")},
        )
    )
