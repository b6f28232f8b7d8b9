"""The system refresh: its schedule, starting one now, and waiting for one the scheduler starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from muster_console.operation.workspace import Workspace
from muster_core.errors import PartUnavailable
from muster_core.queue.app import Hint
from muster_core.queue.hint import send_hint
from muster_core.schedules.schedule import OFF, read_schedule
from muster_core.storage import setting
from muster_core.storage.database import transaction
from muster_core.storage.migrate import migrate
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.progress import latest_system_refresh_id, runs_of_system_refresh
from muster_core.storage.setting import SystemSchedule

_LOOK = 0.25


def migrate_database(workspace: Workspace) -> None:
    """Bring the control database to the schema this version expects; safe to repeat."""
    migrate(workspace.settings.database())


def get_system_schedule(workspace: Workspace) -> SystemSchedule:
    """Return when everything is refreshed; off by default."""
    with transaction(workspace.database) as connection:
        return setting.get_system_schedule(connection)


def set_system_schedule(
    workspace: Workspace, *, cron: str | None, timezone: str = "UTC"
) -> SystemSchedule:
    """Refresh everything at the times of `cron`, or with None never by itself.

    Raises:
        InvalidInput: cron or zone is not one.
    """
    schedule = OFF if cron is None else read_schedule({"cron": cron, "timezone": timezone})
    with transaction(workspace.database) as connection:
        return setting.set_system_schedule(connection, schedule)


@contextmanager
def borrowed_system_schedule(workspace: Workspace, *, cron: str) -> Iterator[None]:
    """Refresh everything at the times of `cron` (UTC) during the block, and as before after it."""
    before = get_system_schedule(workspace).schedule
    set_system_schedule(workspace, cron=cron)
    try:
        yield
    finally:
        set_system_schedule(workspace, cron=before.cron, timezone=before.timezone or "UTC")


def refresh_system(workspace: Workspace) -> list[int]:
    """Ask for a refresh of everything that follows the system schedule; return the runs' numbers."""
    with transaction(workspace.database) as connection:
        refresh = request_system_refresh(
            connection, actor=workspace.actor, max_attempts=workspace.settings.max_attempts
        )
        run_ids = runs_of_system_refresh(connection, refresh.id)
    send_hint(workspace.settings, Hint.REFRESH)
    return run_ids


def latest_system_refresh(workspace: Workspace) -> int:
    """Return the number of the latest system refresh, 0 where there was none."""
    with transaction(workspace.database) as connection:
        return latest_system_refresh_id(connection)


def wait_for_system_refresh(
    workspace: Workspace, *, after: int, report: Callable[[], None], limit_seconds: float
) -> list[int]:
    """Return the runs of the next system refresh later than number `after`, once it is planned.

    Raises:
        PartUnavailable: none was planned within `limit_seconds`.
    """
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        report()
        with transaction(workspace.database) as connection:
            latest = latest_system_refresh_id(connection)
            if latest > after:
                return runs_of_system_refresh(connection, latest)
        time.sleep(_LOOK)
    raise PartUnavailable(
        f"No scheduler started a system refresh within {limit_seconds:g} s.",
        hint="Look at `muster status` and at the scheduler's log.",
    )
