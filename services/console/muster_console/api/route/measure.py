"""Measures: list, read, save, delete."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from muster_console.api.body import DOCUMENT_BODY, document_text
from muster_console.api.policy import Editing, Viewing
from muster_console.api.revision import etag
from muster_console.api.route.segment import Saved, saved
from muster_console.operation import measure as operation
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.measure import measure_json
from muster_console.operation.segment import apply_definitions
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem

router = APIRouter(prefix="/measures", tags=["measures"])


class MeasureList(BaseModel):
    """Every measure by name."""

    items: list[dict[str, Any]]


class MeasureDetail(BaseModel):
    """One measure and the segments that use it."""

    measure: dict[str, Any]
    segments: list[str]


@router.get("")
def list_measures(workspace: Viewing) -> MeasureList:
    """List measures by name."""
    return MeasureList(items=[measure_json(m) for m in operation.list_measures(workspace)])


@router.get("/{name}")
def show_measure(workspace: Viewing, name: str, response: Response) -> MeasureDetail:
    """Return one measure with the segments that use it."""
    view = operation.show_measure(workspace, name)
    response.headers["ETag"] = etag(view.measure.rev)
    return MeasureDetail(measure=measure_json(view.measure), segments=view.segments)


@router.put("/{name}", openapi_extra=DOCUMENT_BODY)
async def save_measure(workspace: Editing, name: str, request: Request) -> Saved:
    """Save a measure: the document as JSON or YAML, as files hold it."""
    return await run_in_threadpool(_save, workspace, name, await document_text(request))


@router.delete("/{name}", status_code=204)
def delete_measure(workspace: Editing, name: str) -> None:
    """Delete a measure that no segment uses."""
    operation.delete_measure(workspace, name)


def _save(workspace: Workspace, name: str, text: str) -> Saved:
    found = read_definitions_text(text, workspace.settings.limits)
    if not found.problems and (list(found.named_measures) != [name] or found.segments):
        raise InvalidInput(
            [Problem(message=f"the body must be the one measure `{name}`", pointer="/name")]
        )
    return saved(apply_definitions(workspace, found)[0])
