"""The system as a whole: its schedule, its refreshes, how the work goes, and what is wrong with it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from muster_console.api.body import Given
from muster_console.api.event import EVENTS, LastEventId, Look, stream
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Administering, Anybody, Editing, Viewing
from muster_console.checkup.finding import Finding
from muster_console.operation import collection
from muster_console.operation import system as operation
from muster_console.operation.doctor import examine, is_sound
from muster_console.operation.health import health_json, look_at_health
from muster_console.operation.workspace import Workspace
from muster_core.collection.collect import Collection
from muster_core.schedules.stage import RefreshState
from muster_core.storage.arrival import ArrivalRule
from muster_core.storage.refresh import Skip
from muster_core.storage.setting import SystemSchedule

router = APIRouter(tags=["system"], route_class=IdempotentRoute)

RefreshId = Annotated[int, Path(ge=1, lt=2**63)]


class Health(BaseModel):
    """That the API and its database answer."""

    status: str


class ScheduleShown(BaseModel):
    """When everything is refreshed; `written` is the schedule as `PUT` takes it."""

    schedule: str
    written: dict[str, Any]
    next_due_at: datetime | None
    next_times: list[datetime]


class ScheduleGiven(Given):
    """A cron, or times of day with weekdays; neither: never by itself."""

    cron: str | None = Field(default=None, max_length=256)
    times: list[Annotated[str, Field(max_length=16)]] = Field(default=[], max_length=100)
    weekdays: list[Annotated[str, Field(max_length=16)]] = Field(default=[], max_length=7)
    timezone: str = Field(default="UTC", min_length=1, max_length=64)


class ArrivalGiven(Given):
    """Refresh these segments, or everything, when data arrives; at most once in so many minutes."""

    minutes: float = Field(default=15, ge=operation.SHORTEST_PAUSE, le=operation.LONGEST_PAUSE)
    segments: list[Annotated[str, Field(max_length=256)]] | None = Field(
        default=None, min_length=1, max_length=1_000
    )


class ArrivalShown(BaseModel):
    """What is refreshed when data arrives; None: nothing."""

    rule: ArrivalRule | None


class Started(BaseModel):
    """A system refresh that was asked for."""

    id: int
    run_ids: list[int]


class RefreshShown(BaseModel):
    """One system refresh with its stages and their durations in seconds."""

    id: int
    due_at: datetime
    trigger: str
    actor: str | None
    state: RefreshState
    reason: str | None
    as_of: datetime | None
    snapshot_id: int | None
    created_at: datetime
    finished_at: datetime | None
    stages: list[dict[str, Any]]
    change_seconds: float | None
    seconds: float | None


class RefreshDetail(RefreshShown):
    """One system refresh with everything it left out."""

    skips: list[Skip]


class RefreshCancelled(BaseModel):
    """How many runs of a system refresh were cancelled."""

    id: int
    runs: int


class StatusShown(BaseModel):
    """How the work goes; ages are seconds and None where there is nothing."""

    healthy: bool
    #: How long a process may be silent before it counts as gone.
    lease: float
    problems: list[str]
    pending_runs: int
    oldest_pending: float | None
    pending_deliveries: int
    oldest_pending_delivery: float | None
    running: int
    oldest_heartbeat: float | None
    stale_segments: int
    failed_runs_24h: int
    failed_deliveries_24h: int
    processes: list[dict[str, Any]]


class Collecting(Given):
    """Whether to remove what nothing needs, or only to say what would go."""

    dry_run: bool = True


class Diagnosis(BaseModel):
    """What was looked at, and how to mend what is wrong."""

    sound: bool
    findings: list[Finding]


@router.get("/health")
def health(workspace: Anybody) -> Health:
    """Answer where the database does."""
    operation.get_system_schedule(workspace)
    return Health(status="ok")


@router.get("/system/status")
def status(workspace: Viewing) -> StatusShown:
    """Return how the work goes."""
    found = health_json(look_at_health(workspace))
    return StatusShown(lease=workspace.settings.lease_seconds, **found)


@router.get("/system/doctor")
def doctor(
    workspace: Administering,
    engine: Annotated[bool, Query(description="Run a small job on the engine, too.")] = False,
) -> Diagnosis:
    """Look at every part and setting as the API's own process sees them."""
    findings = examine(workspace, engine=engine)
    return Diagnosis(sound=is_sound(findings), findings=findings)


@router.post("/system/collect")
def collect(workspace: Administering, given: Collecting) -> Collection:
    """Remove what nothing needs any more, or with `dry_run` say what would go."""
    return collection.collect(workspace, dry_run=given.dry_run)


@router.get("/system/schedule")
def show_schedule(workspace: Viewing) -> ScheduleShown:
    """Return when everything is refreshed, with the next times."""
    return _shown(operation.get_system_schedule(workspace))


@router.put("/system/schedule")
def set_schedule(workspace: Administering, given: ScheduleGiven) -> ScheduleShown:
    """Set when everything is refreshed."""
    return _shown(
        operation.set_system_schedule(
            workspace,
            cron=given.cron,
            times=given.times,
            weekdays=given.weekdays,
            timezone=given.timezone,
        )
    )


@router.get("/system/arrival")
def show_arrival(workspace: Viewing) -> ArrivalShown:
    """Return what is refreshed when data arrives."""
    return ArrivalShown(rule=operation.get_arrival(workspace))


@router.put("/system/arrival")
def set_arrival(workspace: Administering, given: ArrivalGiven) -> ArrivalShown:
    """Refresh everything, or some segments, when a source changed."""
    rule = operation.set_arrival(workspace, minutes=given.minutes, segments=given.segments)
    return ArrivalShown(rule=rule)


@router.delete("/system/arrival", status_code=204)
def unset_arrival(workspace: Administering) -> None:
    """Refresh nothing any more when data arrives."""
    operation.unset_arrival(workspace)


@router.post("/system/refresh", status_code=202)
def refresh(workspace: Editing) -> Started:
    """Refresh everything that follows the system schedule now."""
    started = operation.refresh_system(workspace)
    return Started(id=started.id, run_ids=started.run_ids)


@router.get("/system/refreshes")
def list_refreshes(
    workspace: Viewing, limit: Annotated[int, Query(ge=1, le=1_000)] = 20
) -> list[RefreshShown]:
    """List the latest system refreshes, the newest first."""
    found = operation.list_system_refreshes(workspace, limit=limit)
    return [RefreshShown(**operation.refresh_json(one)) for one in found]


@router.get("/system/refreshes/{refresh_id}")
def show_refresh(workspace: Viewing, refresh_id: RefreshId) -> RefreshDetail:
    """Return one system refresh: its stages, and everything it left out with the reason."""
    view = operation.look_at_system_refresh(workspace, refresh_id)
    return RefreshDetail(**operation.refresh_json(view))


@router.get(
    "/system/refreshes/{refresh_id}/progress",
    response_class=StreamingResponse,
    responses=EVENTS,
)
def follow_refresh(
    workspace: Viewing, refresh_id: RefreshId, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Follow a system refresh as server-sent events: a `progress` at every change, until it has ended.

    `Last-Event-ID` leaves out what was seen.
    """

    def look() -> Look:
        return _look(workspace, refresh_id)

    return stream(look, last_event_id, look())


@router.post("/system/refreshes/{refresh_id}/cancel", status_code=202)
def cancel_refresh(workspace: Editing, refresh_id: RefreshId) -> RefreshCancelled:
    """Cancel what a system refresh has not published yet; what it published is delivered."""
    runs = operation.cancel_system_refresh(workspace, refresh_id)
    return RefreshCancelled(id=refresh_id, runs=runs)


def _look(workspace: Workspace, refresh_id: int) -> Look:
    found = operation.refresh_json(operation.look_at_system_refresh(workspace, refresh_id))
    text = json.dumps(found, default=str, sort_keys=True).encode()
    return Look(
        steps=(),
        done=int.from_bytes(hashlib.sha256(text).digest()[:7]),
        progress=found,
        ended=found["state"] != RefreshState.RUNNING,
    )


def _shown(found: SystemSchedule) -> ScheduleShown:
    return ScheduleShown(
        schedule=found.schedule.text(),
        written=found.schedule.to_json(),
        next_due_at=found.next_due_at,
        next_times=found.schedule.coming(found.next_due_at),
    )
