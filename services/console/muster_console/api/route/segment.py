"""Segments: list, read, check, save, delete, refresh, members."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask

from muster_console.api.body import DOCUMENT_BODY, Given, document_text
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.page import Cursor, Limit, Page, place_text, read_place
from muster_console.api.policy import Editing, SeeingMembers, Viewing
from muster_console.api.problem import ProblemItem, problem_items
from muster_console.api.revision import IfMatch, IfNoneMatch, etag, expected_revision
from muster_console.api.route.run import RunShown, RunState, shown
from muster_console.operation import segment as operation
from muster_console.operation.action import delete_segment as delete_one
from muster_console.operation.count import SegmentCounts, count_nodes
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.life import save_one
from muster_console.operation.listing import SegmentFilter, page_of_segments
from muster_console.operation.member import ROWS_HEADER, download_members, look_at_members
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.run import cancel_segment
from muster_console.operation.saving import AppliedSegment
from muster_console.operation.segment import RuleCount, SegmentLine
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import Format

router = APIRouter(prefix="/segments", tags=["segments"], route_class=IdempotentRoute)


class SegmentDetail(BaseModel):
    """One segment with its definition, its counts per rule and when it is due next."""

    segment: SegmentLine
    document: dict[str, Any]
    rules: list[RuleCount]
    next_times: list[datetime]
    #: Members of every rule and condition by its JSON pointer, as the latest version was counted.
    nodes: dict[str, int]
    #: The latest runs, as /runs has them.
    runs: list[RunShown]


class Saved(BaseModel):
    """What saving did; a draft's warnings begin with what is still wrong with it."""

    name: str
    kind: str
    change: str
    warnings: list[ProblemItem]


class Asked(BaseModel):
    """A run that was asked for; look at it under /runs."""

    run_id: int
    name: str


class RefreshRequest(Given):
    """Which segments to refresh; none named means every active one."""

    names: list[str] | None = None
    as_of: datetime | None = None


class Members(BaseModel):
    """Some members of a version."""

    segment: str
    version: int
    count: int
    as_of: datetime
    columns: list[str]
    members: list[dict[str, Any]]
    #: How many members come before these.
    skipped: int
    #: The cursor of the page behind; it stays with this version. None at the end.
    next: str | None


@router.get("")
def list_segments(
    workspace: Viewing,
    *,
    sort: Annotated[
        str, Query(max_length=64, description="A column; with - in front the largest first.")
    ] = "name",
    search: Annotated[
        str, Query(max_length=256, description="Part of the name or display name.")
    ] = "",
    tag: Annotated[str | None, Query(max_length=256)] = None,
    type: Annotated[str | None, Query(max_length=32)] = None,
    state: Annotated[str | None, Query(max_length=32)] = None,
    status: Annotated[str | None, Query(max_length=64)] = None,
    reason: Annotated[str | None, Query(max_length=64)] = None,
    owner: Annotated[str | None, Query(max_length=256)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SegmentLine]:
    """List segments, by default by name."""
    wanted = SegmentFilter(
        search=search,
        tag=tag,
        type=type,
        state=state,
        status=status,
        reason=reason,
        owner=owner,
    )
    return page_of_segments(workspace, wanted, sort=sort, limit=limit, cursor=cursor)


@router.post("/refresh", status_code=202)
def refresh(workspace: Editing, request: RefreshRequest) -> list[Asked]:
    """Ask for a refresh now; the runs are worked on by the workers."""
    if request.as_of is not None and request.as_of.tzinfo is None:
        raise InvalidInput(
            [Problem(message="an instant needs an offset", pointer="/as_of", hint="end it with Z")]
        )
    asked = refresh_segments(workspace, request.names, as_of=request.as_of)
    return [Asked(run_id=run.run_id, name=run.name) for run in asked]


@router.get("/{name}")
def show_segment(workspace: Viewing, name: str, response: Response) -> SegmentDetail:
    """Return one segment; its ETag is what a change is based on."""
    view = operation.show_segment(workspace, name)
    response.headers["ETag"] = etag(view.segment.rev)
    return SegmentDetail(
        segment=view.segment,
        document=view.document,
        rules=view.rules,
        next_times=view.next_times,
        nodes=view.nodes,
        runs=[shown(run) for run in view.runs],
    )


@router.get("/{name}/counts")
def show_counts(workspace: Viewing, name: str) -> SegmentCounts:
    """Return the counts of every rule and condition the latest version was published with."""
    return count_nodes(workspace, name)


@router.put("/{name}", openapi_extra=DOCUMENT_BODY)
async def save_segment(
    workspace: Editing,
    name: str,
    request: Request,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Saved:
    """Save a segment: the document as JSON or YAML, as files hold it.

    `If-Match` names the revision it is based on, `If-None-Match: *` makes a new one.
    """
    return await run_in_threadpool(
        _save, workspace, name, await document_text(request), if_match, if_none_match
    )


@router.delete("/{name}", status_code=204)
def delete_segment(
    workspace: Editing,
    name: str,
    *,
    force: Annotated[bool, Query(description="Even where something uses it.")] = False,
    if_match: IfMatch = None,
) -> None:
    """Delete a segment; 409 names what uses it. It can be restored for 30 days, its history stays."""
    expected = {} if if_match is None else {name: expected_revision(if_match, None)}
    delete_one(workspace, name, force=force, expected=expected)


@router.post("/{name}/cancel", status_code=202)
def cancel_runs(workspace: Editing, name: str) -> list[RunState]:
    """Cancel every run of the segment that waits or runs."""
    states = cancel_segment(workspace, name)
    return [RunState(run_id=run_id, state=state) for run_id, state in states.items()]


@router.get("/{name}/members")
def members(
    workspace: SeeingMembers,
    name: str,
    *,
    columns: Annotated[list[str] | None, Query(max_length=100)] = None,
    version: Annotated[
        int | None, Query(ge=1, lt=2**63, description="A past version; default the latest.")
    ] = None,
    search: Annotated[str, Query(max_length=256, description="Part of the key.")] = "",
    skip: Annotated[int, Query(ge=0, lt=2**31, description="Leave out so many first.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Cursor = None,
) -> Members:
    """Return members of a version, by default the first of the latest; the look is recorded."""
    read, start = read_place(cursor, version)
    skip += start
    page = look_at_members(
        workspace,
        name,
        columns=columns or [],
        limit=limit,
        version=read,
        skip=skip,
        search=search,
    )
    return Members(
        segment=name,
        version=page.version.version,
        count=page.version.member_count,
        as_of=page.version.as_of,
        columns=page.columns,
        members=page.members,
        skipped=page.skipped,
        next=place_text(page.version.version, skip + limit) if page.more else None,
    )


_TYPES = {
    Format.CSV: "text/csv",
    Format.CSV_GZ: "application/gzip",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.JSONL: "application/jsonl",
}


@router.get(
    "/{name}/download",
    response_class=FileResponse,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in _TYPES.values()}}
    },
)
def download(
    workspace: SeeingMembers,
    name: str,
    *,
    format: Annotated[Format, Query()] = Format.CSV,
    columns: Annotated[list[str] | None, Query(max_length=500)] = None,
) -> FileResponse:
    """Return all members of the latest version as a file; the look is recorded.

    `X-Muster-Rows` says how many members it holds.
    """
    # where the name ends in the format it is clear to whoever opens it
    folder = TemporaryDirectory(prefix="muster-download-")
    to = Path(folder.name) / f"members.{format}"
    try:
        rows = download_members(workspace, name, columns=columns or [], to=to, form=format)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        to,
        media_type=_TYPES[format],
        filename=f"{name}.{format}",
        headers={ROWS_HEADER: str(rows)},
        background=BackgroundTask(folder.cleanup),
    )


def _save(
    workspace: Workspace, name: str, text: str, if_match: str | None, if_none_match: str | None
) -> Saved:
    expected = expected_revision(if_match, if_none_match)
    found = read_definitions_text(text, workspace.settings.limits, drafts=True)
    return saved(save_one(workspace, found, rev=expected, name=name))


def saved(applied: AppliedSegment) -> Saved:
    """Return what applying did, as an answer."""
    return Saved(
        name=applied.name,
        kind=applied.kind,
        change=applied.change,
        warnings=problem_items(applied.warnings),
    )
