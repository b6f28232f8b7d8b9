"""The system refresh: its schedule, starting one now, and waiting for one the scheduler starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, PartUnavailable, Problem
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.schedules.schedule import OFF, Schedule, daily, read_schedule, stored_schedule
from muster_core.storage import arrival, audit, setting
from muster_core.storage import refresh as record
from muster_core.storage.arrival import ArrivalRule
from muster_core.storage.database import transaction
from muster_core.storage.migrate import migrate
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.progress import latest_system_refresh_id, runs_of_system_refresh
from muster_core.storage.refresh import RefreshRecord, Skip
from muster_core.storage.setting import SystemSchedule

_LOOK = 0.25

#: Minutes between two refreshes that arriving data starts: at least and at most.
SHORTEST_PAUSE, LONGEST_PAUSE = 1, 31 * 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRefresh:
    """A system refresh that was asked for, and its runs."""

    id: int
    run_ids: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshView:
    """One system refresh with everything it left out."""

    refresh: RefreshRecord
    skips: list[Skip]


def migrate_database(workspace: Workspace) -> None:
    """Bring the control database to the schema this version expects; safe to repeat."""
    migrate(workspace.database.url.render_as_string(hide_password=False))


@over("GET", "/system/schedule", read=lambda answer: _schedule_of(answer))
def get_system_schedule(workspace: Workspace) -> SystemSchedule:
    """Return when everything is refreshed; off by default."""
    with transaction(workspace.database) as connection:
        return setting.get_system_schedule(connection)


@over("PUT", "/system/schedule", read=lambda answer: _schedule_of(answer))
def set_system_schedule(
    workspace: Workspace,
    *,
    cron: str | None = None,
    times: Sequence[str] = (),
    weekdays: Sequence[str] = (),
    timezone: str = "UTC",
) -> SystemSchedule:
    """Refresh everything at the times of day (on the weekdays), or of `cron`; with neither never by itself.

    Raises:
        InvalidInput: cron, a time, a weekday or the zone is not one, or both cron and times are given.
    """
    if cron is not None and (times or weekdays):
        raise InvalidInput([Problem(message="give a cron, or times of day, not both")])
    if cron is not None:
        return _put(workspace, read_schedule({"cron": cron, "timezone": timezone}))
    if times or weekdays:
        return _put(workspace, daily(times, weekdays=weekdays, timezone=timezone))
    return _put(workspace, OFF)


def _put(workspace: Workspace, schedule: Schedule) -> SystemSchedule:
    with transaction(workspace.database) as connection:
        found = setting.set_system_schedule(connection, schedule)
        detail = {"schedule": found.schedule.text()}
        audit.record(connection, workspace.actor, "system.schedule_set", "system", detail)
    return found


@contextmanager
def borrowed_system_schedule(workspace: Workspace, *, cron: str) -> Iterator[None]:
    """Refresh everything at the times of `cron` (UTC) during the block, and as before after it."""
    before = get_system_schedule(workspace).schedule
    set_system_schedule(workspace, cron=cron)
    try:
        yield
    finally:
        _put(workspace, before)


@over("GET", "/system/arrival", at="rule")
def get_arrival(workspace: Workspace) -> ArrivalRule | None:
    """Return what is started when data arrives; None where nothing is."""
    with transaction(workspace.database) as connection:
        return arrival.get_arrival(connection)


@over("PUT", "/system/arrival", at="rule")
def set_arrival(
    workspace: Workspace, *, minutes: float, segments: Sequence[str] | None
) -> ArrivalRule:
    """Start these segments (None: the system refresh) when a source changed, at most once in `minutes`.

    They are taken as whole seconds: nothing looks more often, and durations are written without parts of them.

    Raises:
        InvalidInput: less than a minute, or more than 31 days.
        NotFound: a segment does not exist.
    """
    if not SHORTEST_PAUSE <= minutes <= LONGEST_PAUSE:
        raise InvalidInput(
            [
                Problem(
                    message=f"the pause is {SHORTEST_PAUSE} to {LONGEST_PAUSE:,} minutes",
                    pointer="/minutes",
                )
            ]
        )
    every = timedelta(seconds=round(minutes * 60))
    with transaction(workspace.database) as connection:
        rule = arrival.set_arrival(connection, every=every, segments=segments)
        detail = {"minutes": minutes, "segments": segments if segments is None else list(segments)}
        audit.record(connection, workspace.actor, "system.arrival_set", "system", detail)
    return rule


@over("DELETE", "/system/arrival")
def unset_arrival(workspace: Workspace) -> None:
    """Start nothing any more when data arrives."""
    with transaction(workspace.database) as connection:
        arrival.unset_arrival(connection)
        audit.record(connection, workspace.actor, "system.arrival_unset", "system")


@over("POST", "/system/refresh")
def refresh_system(workspace: Workspace) -> StartedRefresh:
    """Ask for a refresh of everything that follows the system schedule."""
    with transaction(workspace.database) as connection:
        refresh = request_system_refresh(
            connection, actor=workspace.actor, max_attempts=workspace.settings.max_attempts
        )
        run_ids = runs_of_system_refresh(connection, refresh.id)
        audit.record(connection, workspace.actor, "system.refresh_requested", str(refresh.id))
    send_hint(workspace.settings, Hint.REFRESH)
    return StartedRefresh(id=refresh.id, run_ids=run_ids)


@over("GET", "/system/refreshes")
def list_system_refreshes(workspace: Workspace, *, limit: int = 20) -> list[RefreshRecord]:
    """Return the latest system refreshes, the newest first."""
    with transaction(workspace.database) as connection:
        return record.list_refreshes(connection, limit=limit)


@over("GET", "/system/refreshes/{refresh_id}", read=lambda answer: _view_of(answer))
def look_at_system_refresh(workspace: Workspace, refresh_id: int) -> RefreshView:
    """Return one system refresh: how far it is, and what it left out.

    Raises:
        NotFound: there is none of this number.
    """
    with transaction(workspace.database) as connection:
        return RefreshView(
            refresh=record.get_refresh(connection, refresh_id),
            skips=record.refresh_skips(connection, refresh_id),
        )


@over("POST", "/system/refreshes/{refresh_id}/cancel", at="runs")
def cancel_system_refresh(workspace: Workspace, refresh_id: int) -> int:
    """Cancel what a system refresh has not published; return how many runs that were.

    Raises:
        NotFound: there is none of this number.
        Conflict: it has ended.
    """
    with transaction(workspace.database) as connection:
        runs = record.cancel_refresh(connection, refresh_id, actor=workspace.actor)
        audit.record(connection, workspace.actor, "system.refresh_cancelled", str(refresh_id))
    return runs


def refresh_json(view: RefreshView | RefreshRecord) -> dict[str, Any]:
    """Return a system refresh as programs read it."""
    if isinstance(view, RefreshRecord):
        return asdict(view) | {"seconds": view.seconds}
    return refresh_json(view.refresh) | {"skips": [asdict(skip) for skip in view.skips]}


def _view_of(answer: Mapping[str, Any]) -> RefreshView:
    skips: list[Skip] = TypeAdapter(list[Skip]).validate_python(answer["skips"])
    return RefreshView(refresh=TypeAdapter(RefreshRecord).validate_python(answer), skips=skips)


def _schedule_of(answer: Mapping[str, Any]) -> SystemSchedule:
    due = answer["next_due_at"]
    return SystemSchedule(
        schedule=stored_schedule(answer["written"]),
        next_due_at=None if due is None else datetime.fromisoformat(due),
    )


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
