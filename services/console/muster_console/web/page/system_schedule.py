"""When everything is refreshed by itself: shown, and changed by administrators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nicegui import ui

from muster_console.operation import system
from muster_console.operation.catalog import show_catalog
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import Field, ask
from muster_console.web.component.markup import button, card, row, text
from muster_console.web.component.table import Figure
from muster_console.web.visit import Outcome, Visit
from muster_core.errors import Conflict
from muster_core.schedules.schedule import Schedule, ScheduleKind
from muster_core.security.role import Permission
from muster_core.storage.setting import SystemSchedule

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def schedule_card(visit: Visit, schedule: SystemSchedule, next_times: Sequence[datetime]) -> None:
    """Put when everything is refreshed, with the next times; administrators may change it."""
    with card("System schedule"):
        with row():
            text("Off" if schedule.schedule.kind is ScheduleKind.OFF else schedule.schedule.text())
            for instant in next_times[:5]:
                with ui.element("span").classes("m-tag"):
                    Figure(instant, "moment")
            ui.element("div").classes("m-grow")
            if visit.allows(Permission.ADMINISTER):
                button(
                    "Change",
                    lambda: _change_schedule(visit, schedule.schedule),
                    icon_name="edit_calendar",
                )
        if not next_times:
            text("No segment that follows it is refreshed by itself until it has times.").classes(
                "m-muted"
            )


def _zone(workspace: Workspace) -> str:
    """Return the zone in which people mean times that are set for the first time: that of the data."""
    try:
        return show_catalog(workspace).timezone
    except Conflict:
        return "UTC"


async def _change_schedule(visit: Visit, now: Schedule) -> None:
    zone = now.timezone or (await visit.do(Permission.VIEW, _zone)).value or "UTC"

    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        times = [part.strip() for part in str(given["times"]).split(",") if part.strip()]
        cron = str(given["cron"]).strip() or None
        return await visit.do(
            Permission.ADMINISTER,
            lambda w: system.set_system_schedule(
                w,
                cron=cron,
                times=times,
                weekdays=given["weekdays"] or [],
                timezone=str(given["timezone"]).strip() or "UTC",
            ),
            said="The system schedule is changed.",
        )

    ask(
        "System schedule",
        [
            Field(
                name="times",
                label="Times of day",
                value=", ".join(now.at),
                hint="such as 06:00, 18:30; empty: never",
            ),
            Field(
                name="weekdays",
                label="On weekdays",
                kind="choices",
                choices=_DAYS,
                value=list(now.weekdays),
                hint="none: every day",
            ),
            Field(name="timezone", label="Time zone", value=zone),
            Field(
                name="cron",
                label="Or a cron expression",
                value=now.cron or "",
                hint="instead of times and weekdays",
            ),
        ],
        submit,
    )
