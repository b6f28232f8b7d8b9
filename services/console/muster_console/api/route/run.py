"""Runs: list, read, follow as they go, cancel, try again, approve or reject what is held."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from anyio import sleep
from fastapi import APIRouter, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from muster_console.api.body import Given
from muster_console.api.event import EVENTS, LastEventId, Look, stream
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.page import Cursor, Sort
from muster_console.api.policy import Editing, Viewing
from muster_console.operation import run as operation
from muster_console.operation.refresh import look_at_delivery_progress, look_at_progress
from muster_console.operation.run import look_at_run, look_at_runs, run_json
from muster_console.operation.workspace import Workspace
from muster_core.storage.progress import DeliveryProgress, RunProgress
from muster_core.storage.run import RunEvent, RunRecord

router = APIRouter(prefix="/runs", tags=["runs"], route_class=IdempotentRoute)

#: Seconds between two looks at runs that are followed, and how long one answer lasts.
_LOOK = 0.5
_LOOKS = 1_200

RunId = Annotated[int, Path(ge=1, lt=2**63)]
RunIds = Annotated[
    list[Annotated[int, Query(ge=1, lt=2**63)]], Query(min_length=1, max_length=1_000)
]


class RunShown(BaseModel):
    """One run with its batch; None where it has not come that far."""

    run_id: int
    segment: str
    due_at: datetime
    trigger: str
    #: The process that planned it, or who asked for it.
    scheduler: str | None
    state: str
    reason: str | None
    attempt: int
    max_attempts: int
    requested_as_of: datetime | None
    as_of: datetime | None
    snapshot_id: int | None
    rule_rev: int | None
    version: int | None
    members: int | None
    joined: int | None
    left: int | None
    error_class: str | None
    error: str | None
    available_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    fence: int | None
    batch_id: int | None
    #: Runs that were evaluated together, in the same engine jobs.
    batch_runs: int | None
    worker: str | None
    engine: str | None
    engine_session: str | None
    engine_jobs: list[Any] | None
    jobs: int
    tasks: int | None
    tasks_done: int | None
    #: Seconds per stage of the batch: prepare, plan, evaluate, publish.
    seconds: dict[str, float] | None
    manifest: str | None
    node_counts: dict[str, Any] | None
    #: Its part of its batch's work, 0 to 1, and how long that took.
    work_share: float | None
    work_seconds: float | None
    #: The members of other segments and the measures it used.
    references: list[dict[str, Any]]
    measures: list[dict[str, Any]]


class RunList(BaseModel):
    """Some runs; `next` is the cursor of the page behind."""

    items: list[RunShown]
    next: str | None = None


class RunDetail(BaseModel):
    """One run with every step it took."""

    run: RunShown
    events: list[RunEvent]


class RunState(BaseModel):
    """A run, and its state after what was asked."""

    run_id: int
    state: str


class Rejection(Given):
    """Why a held version is not published; kept on the run."""

    reason: str | None = Field(default=None, max_length=2_000)


@router.get("")
def list_runs(
    workspace: Viewing,
    *,
    segment: Annotated[str | None, Query(max_length=256)] = None,
    state: Annotated[str | None, Query(max_length=32)] = None,
    trigger: Annotated[str | None, Query(max_length=32)] = None,
    before: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Only runs older than this one.")
    ] = None,
    sort: Sort = "-run_id",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    cursor: Cursor = None,
) -> RunList:
    """List runs, by default the newest first; `state` may be `active`: everything that has not ended."""
    runs = look_at_runs(
        workspace,
        segment=segment,
        state=state,
        limit=limit,
        before=before,
        trigger=trigger,
        sort=sort,
        cursor=cursor,
    )
    following = operation.runs_behind(runs, limit, sort)
    return RunList(items=[shown(run) for run in runs], next=following)


@router.get("/slowest")
def list_slowest(workspace: Viewing, limit: Annotated[int, Query(ge=1, le=1_000)] = 20) -> RunList:
    """List of each segment the run its latest version is from, what took longest first."""
    return RunList(items=[shown(r) for r in operation.look_at_slowest(workspace, limit=limit)])


@router.get("/progress")
def look_at(workspace: Viewing, run: RunIds) -> list[RunProgress]:
    """Return how far runs are, in one look."""
    return look_at_progress(workspace, run)


@router.get("/deliveries")
def look_at_deliveries(workspace: Viewing, run: RunIds) -> list[DeliveryProgress]:
    """Return how far the deliveries of what runs published are, in one look."""
    return look_at_delivery_progress(workspace, run)


@router.get("/events", response_class=StreamingResponse, responses=EVENTS)
def follow_runs(
    workspace: Viewing,
    run: Annotated[
        list[Annotated[int, Query(ge=1, lt=2**63)]], Query(min_length=1, max_length=100)
    ],
) -> StreamingResponse:
    """Follow runs as server-sent events: one `progress` at every change, `end` once all have ended."""
    return StreamingResponse(_events(workspace, run), media_type="text/event-stream")


@router.get("/{run_id}")
def show_run(workspace: Viewing, run_id: RunId) -> RunDetail:
    """Return one run with its events."""
    view = look_at_run(workspace, run_id)
    return RunDetail(run=shown(view.run), events=view.events)


@router.get("/{run_id}/progress", response_class=StreamingResponse, responses=EVENTS)
def follow_run(
    workspace: Viewing, run_id: RunId, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Follow one run as server-sent events until it has ended.

    A `step` tells every change of state, a `progress` how many tasks are done. `Last-Event-ID` goes on behind
    an event that was seen: no step is lost, and none told twice.
    """

    def look() -> Look:
        return _look(workspace, run_id)

    return stream(look, last_event_id, look())


@router.post("/{run_id}/cancel", status_code=202)
def cancel_run(workspace: Editing, run_id: RunId) -> RunState:
    """Cancel a run: at once where it waits, within seconds where a worker evaluates it."""
    return RunState(run_id=run_id, state=operation.cancel_run(workspace, run_id))


@router.post("/{run_id}/retry", status_code=202)
def retry_run(workspace: Editing, run_id: RunId) -> RunState:
    """Try a failed run again."""
    operation.retry_run(workspace, run_id)
    return RunState(run_id=run_id, state=look_at_run(workspace, run_id).run.state)


@router.post("/{run_id}/approve")
def approve_run(workspace: Editing, run_id: RunId) -> RunState:
    """Publish a held version, and deliver it."""
    return RunState(run_id=run_id, state=operation.approve_run(workspace, run_id))


@router.post("/{run_id}/reject")
def reject_run(workspace: Editing, run_id: RunId, given: Rejection | None = None) -> RunState:
    """Keep the last members instead of a held version."""
    operation.reject_run(workspace, run_id, why=None if given is None else given.reason)
    return RunState(run_id=run_id, state=look_at_run(workspace, run_id).run.state)


def shown(run: RunRecord) -> RunShown:
    """Return a run as an answer."""
    return RunShown(**run_json(run))


def _look(workspace: Workspace, run_id: int) -> Look:
    view = look_at_run(workspace, run_id)
    (progress,) = look_at_progress(workspace, [run_id])
    return Look(
        steps=[asdict(event) for event in view.events],
        done=progress.tasks_done or 0,
        progress=asdict(progress),
        ended=progress.ended,
    )


async def _events(workspace: Workspace, run_ids: list[int]) -> AsyncIterator[str]:
    before = ""
    for _ in range(_LOOKS):
        runs = await run_in_threadpool(look_at_progress, workspace, run_ids)
        now = json.dumps([asdict(run) for run in runs], default=str)
        if now != before:
            yield f"event: progress\ndata: {now}\n\n"
        before = now
        if all(run.ended for run in runs):
            yield "event: end\ndata: {}\n\n"
            return
        await sleep(_LOOK)
