"""Runs: list, read, and follow as they go."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from anyio import sleep
from fastapi import APIRouter, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from muster_console.api.policy import Viewing
from muster_console.operation.refresh import look_at_progress
from muster_console.operation.run import look_at_run, look_at_runs, run_json
from muster_console.operation.workspace import Workspace

router = APIRouter(prefix="/runs", tags=["runs"])

#: Seconds between two looks at runs that are followed, and how long one answer lasts.
_LOOK = 0.5
_LOOKS = 1_200


class RunList(BaseModel):
    """Runs, the newest first."""

    items: list[dict[str, Any]]


class RunDetail(BaseModel):
    """One run with every step it took."""

    run: dict[str, Any]
    events: list[dict[str, Any]]


@router.get("")
def list_runs(
    workspace: Viewing,
    *,
    segment: Annotated[str | None, Query(max_length=256)] = None,
    state: Annotated[str | None, Query(max_length=32)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> RunList:
    """List runs, the newest first; `state` may be `active`: everything that has not ended."""
    runs = look_at_runs(workspace, segment=segment, state=state, limit=limit)
    return RunList(items=[run_json(run) for run in runs])


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
def follow_runs(
    workspace: Viewing,
    run: Annotated[
        list[Annotated[int, Query(ge=1, lt=2**63)]], Query(min_length=1, max_length=100)
    ],
) -> StreamingResponse:
    """Follow runs as server-sent events: one `progress` at every change, `end` once all have ended."""
    return StreamingResponse(_events(workspace, run), media_type="text/event-stream")


@router.get("/{run_id}")
def show_run(workspace: Viewing, run_id: Annotated[int, Path(ge=1, lt=2**63)]) -> RunDetail:
    """Return one run with its events."""
    view = look_at_run(workspace, run_id)
    return RunDetail(run=run_json(view.run), events=[asdict(event) for event in view.events])


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
