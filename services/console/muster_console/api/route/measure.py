"""Measures: list, read, save, refresh, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from muster_console.api.body import DOCUMENT_BODY, document_text
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.page import Cursor, Limit, Page, page_of, read_order
from muster_console.api.policy import Editing, Viewing
from muster_console.api.revision import IfMatch, IfNoneMatch, etag, expected_revision
from muster_console.api.route.segment import Asked, Saved, saved
from muster_console.operation import measure as operation
from muster_console.operation.measure import measure_json

router = APIRouter(prefix="/measures", tags=["measures"], route_class=IdempotentRoute)

_SORTABLE = ("name", "rev", "created_at", "updated_at")


class MeasureDetail(BaseModel):
    """One measure and the segments that use it."""

    measure: dict[str, Any]
    segments: list[str]


@router.get("")
def list_measures(
    workspace: Viewing,
    *,
    sort: Annotated[str, Query(max_length=64)] = "name",
    search: Annotated[str, Query(max_length=256, description="Part of the name.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[dict[str, Any]]:
    """List measures, by default by name."""
    order = read_order(sort, _SORTABLE)
    text = search.casefold()
    found = [measure_json(m) for m in operation.list_measures(workspace)]
    return page_of(
        [measure for measure in found if text in measure["name"].casefold()],
        order,
        limit=limit,
        cursor=cursor,
        name=lambda measure: str(measure["name"]),
        value=lambda measure, column: measure[column],
    )


@router.get("/{name}")
def show_measure(workspace: Viewing, name: str, response: Response) -> MeasureDetail:
    """Return one measure with the segments that use it."""
    view = operation.show_measure(workspace, name)
    response.headers["ETag"] = etag(view.measure.rev)
    return MeasureDetail(measure=measure_json(view.measure), segments=view.segments)


@router.put("/{name}", openapi_extra=DOCUMENT_BODY)
async def save_measure(
    workspace: Editing,
    name: str,
    request: Request,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Saved:
    """Save a measure: the document as JSON or YAML, as files hold it.

    With `If-Match` it must still be at that revision, with `If-None-Match: *` it must not exist.
    """
    told = if_match is not None or if_none_match is not None
    expected = expected_revision(if_match, if_none_match) if told else None
    text = await document_text(request)
    return saved(
        await run_in_threadpool(
            operation.apply_measure_text, workspace, name, text, expected=expected
        )
    )


@router.post("/{name}/refresh", status_code=202)
def refresh_measure(workspace: Editing, name: str) -> list[Asked]:
    """Ask for a refresh of every active segment that uses the measure."""
    asked = operation.refresh_measure(workspace, name)
    return [Asked(run_id=run.run_id, name=run.name) for run in asked]


@router.delete("/{name}", status_code=204)
def delete_measure(workspace: Editing, name: str) -> None:
    """Delete a measure that no segment uses."""
    operation.delete_measure(workspace, name)
