"""Exports and their deliveries: list, read, check, save, deliver, hold, cancel, send again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from muster_console.api.body import DOCUMENT_BODY, Given, document_text, one_document
from muster_console.api.idempotency import ONLY_LOOKS, IdempotentRoute
from muster_console.api.page import Cursor, Limit, Page, Sort, page_of, read_order
from muster_console.api.policy import Editing, SeeingMembers, Viewing
from muster_console.api.revision import IfMatch, IfNoneMatch, etag, expected_revision
from muster_console.operation import delivery, refused
from muster_console.operation import export as operation
from muster_console.operation.export import CheckedExport
from muster_console.operation.revision import revision_of
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import ExportDocument, parse_export
from muster_core.exports.state import DeliveryState
from muster_core.storage.delivery_record import StoredDelivery
from muster_core.storage.export import StoredExport
from muster_core.storage.export_request import RequestedDelivery
from muster_core.storage.refused import RefusedRow

router = APIRouter(tags=["exports"], route_class=IdempotentRoute)

DeliveryId = Annotated[int, Path(ge=1, lt=2**63)]
_SORTABLE: dict[str, Callable[[StoredExport], Any]] = {
    "name": lambda e: e.name,
    "active": lambda e: e.active,
    "target": lambda e: e.document.target,
    "format": lambda e: str(e.document.format),
    "segments": lambda e: len(e.document.segments),
    "created_at": lambda e: e.created_at,
    "updated_at": lambda e: e.updated_at,
}
_LATEST = 10


class ExportDetail(BaseModel):
    """One export with its latest deliveries."""

    export: StoredExport
    deliveries: list[StoredDelivery]


class ExportsGiven(Given):
    """Exports to create, change or check together: all of them or none."""

    documents: list[dict[str, Any]] = Field(min_length=1, max_length=1_000)
    #: The revision that exports must still have, 0 for one that must not exist; else whichever.
    expected: dict[str, Annotated[int, Field(ge=0, lt=2**63)]] = Field(default={}, max_length=1_000)


class Changed(BaseModel):
    """What happened to one thing: `created`, `changed` or `unchanged`."""

    name: str
    change: str


class Removed(BaseModel):
    """An export that is gone, and how many deliveries went with its history."""

    name: str
    deliveries: int


class DeliveryOf(BaseModel):
    """What came of asking for one segment of an export."""

    export: str
    delivery: RequestedDelivery


class Containing(BaseModel):
    """An export, and whether it delivers a segment."""

    export: str
    contains: bool


class DeliveryList(BaseModel):
    """Some deliveries; `next` is the cursor of the page behind."""

    items: list[StoredDelivery]
    next: str | None


class Controlled(BaseModel):
    """A delivery, and its state after what was asked."""

    id: int
    state: str


@router.get("/exports")
def list_exports(
    workspace: Viewing,
    *,
    sort: Annotated[str, Query(max_length=64)] = "name",
    search: Annotated[str, Query(max_length=256, description="Part of the name.")] = "",
    active: bool | None = None,
    segment: Annotated[str | None, Query(max_length=256)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StoredExport]:
    """List exports, by default by name."""
    order = read_order(sort, list(_SORTABLE))
    text = search.casefold()
    found = [
        stored
        for stored in operation.list_exports(workspace)
        if text in stored.name.casefold()
        and (active is None or stored.active == active)
        and (segment is None or segment in stored.document.segments)
    ]
    return page_of(
        found,
        order,
        limit=limit,
        cursor=cursor,
        name=lambda stored: stored.name,
        value=lambda stored, column: _SORTABLE[column](stored),
    )


@router.post("/exports")
def apply_exports(workspace: Editing, given: ExportsGiven) -> list[Changed]:
    """Create or change exports as files hold them: all of them or none."""
    changes = operation.apply_export_documents(
        workspace, _documents(given), expected=given.expected
    )
    return [Changed(name=name, change=change) for name, change in changes]


@router.post("/exports/check", openapi_extra={ONLY_LOOKS: True})
def check_exports(workspace: Editing, given: ExportsGiven) -> list[CheckedExport]:
    """Tell what would keep exports from being applied, and how many rows they have; nothing changes."""
    return operation.check_export_documents(workspace, _documents(given))


@router.post("/exports/deliver", status_code=202)
def deliver_all(workspace: Editing) -> list[DeliveryOf]:
    """Deliver the latest versions of every export, inactive ones too."""
    found = operation.deliver_all(workspace)
    return [DeliveryOf(export=name, delivery=one) for name, one in found]


@router.get("/exports/{name}")
def show_export(workspace: Viewing, name: str, response: Response) -> ExportDetail:
    """Return one export; its ETag is what a change is based on."""
    stored = operation.get_export(workspace, name)
    response.headers["ETag"] = etag(revision_of(stored.updated_at))
    deliveries = delivery.list_deliveries(workspace, export_name=name, limit=_LATEST)
    return ExportDetail(export=stored, deliveries=deliveries)


@router.put("/exports/{name}", openapi_extra=DOCUMENT_BODY)
async def save_export(
    workspace: Editing,
    name: str,
    request: Request,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Changed:
    """Save an export: the document as JSON or YAML, as files hold it.

    `If-Match` names the revision it is based on, `If-None-Match: *` makes a new one.
    """
    text = await document_text(request)
    return await run_in_threadpool(_save, workspace, name, text, if_match, if_none_match)


@router.delete("/exports/{name}")
def delete_export(workspace: Editing, name: str) -> Removed:
    """Remove an export with its history; what was delivered stays where it is."""
    return Removed(name=name, deliveries=operation.delete_export(workspace, name))


@router.post("/exports/{name}/deliver", status_code=202)
def deliver(workspace: Editing, name: str) -> list[RequestedDelivery]:
    """Ask for the latest version of each segment of the export; exporters work on it."""
    return operation.deliver(workspace, name)


@router.put("/exports/{name}/segments/{segment}")
def add_segment(workspace: Editing, name: str, segment: str) -> Changed:
    """Let an export deliver one more segment."""
    return Changed(name=name, change=operation.change_segments(workspace, name, segment, add=True))


@router.delete("/exports/{name}/segments/{segment}")
def remove_segment(workspace: Editing, name: str, segment: str) -> Changed:
    """Let an export deliver a segment no more."""
    return Changed(name=name, change=operation.change_segments(workspace, name, segment, add=False))


@router.get("/exports/{name}/refused")
def list_refused(
    workspace: SeeingMembers, name: str, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> list[RefusedRow]:
    """List the rows a destination did not take, with their customers' keys; the look is recorded."""
    return refused.list_refused(workspace, name, limit=limit)


@router.get("/segments/{name}/exports")
def exports_of(workspace: Viewing, name: str) -> list[Containing]:
    """List every export, and whether it delivers the segment."""
    found = operation.exports_of(workspace, name)
    return [Containing(export=export, contains=contains) for export, contains in found]


@router.get("/deliveries")
def list_deliveries(
    workspace: Viewing,
    *,
    export: Annotated[str | None, Query(max_length=256)] = None,
    segment: Annotated[str | None, Query(max_length=256)] = None,
    state: DeliveryState | None = None,
    before: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Only deliveries older than this one.")
    ] = None,
    sort: Sort = "-id",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    cursor: Cursor = None,
) -> DeliveryList:
    """List deliveries, by default the newest first."""
    found = delivery.list_deliveries(
        workspace,
        export_name=export,
        segment_name=segment,
        state=state,
        before=before,
        limit=limit,
        sort=sort,
        cursor=cursor,
    )
    following = delivery.deliveries_behind(found, limit, sort)
    return DeliveryList(items=found, next=following)


_DONE: dict[str, operation.Control] = {
    "hold": "held",
    "release": "released",
    "cancel": "cancelled",
    "redeliver": "repeated",
}


@router.post("/deliveries/{delivery_id}/{verb}", status_code=202)
def control_delivery(
    workspace: Editing,
    delivery_id: DeliveryId,
    verb: Literal["hold", "release", "cancel", "redeliver"],
) -> Controlled:
    """Keep a delivery waiting, let it go, end it, or send it again under the same names and ids."""
    state = operation.control_delivery(workspace, delivery_id, _DONE[verb])
    return Controlled(id=delivery_id, state=state)


def _documents(given: ExportsGiven) -> list[ExportDocument]:
    documents: list[ExportDocument] = []
    problems: list[Problem] = []
    for number, data in enumerate(given.documents):
        try:
            documents.append(parse_export(data))
        except InvalidInput as exc:
            problems += [
                Problem(message=p.message, pointer=f"/documents/{number}{p.pointer}", hint=p.hint)
                for p in exc.problems
            ]
    names = [document.name for document in documents]
    if len(set(names)) != len(names):
        problems.append(Problem(message="an export is named twice", pointer="/documents"))
    if problems:
        raise InvalidInput(problems)
    return documents


def _save(
    workspace: Workspace, name: str, text: str, if_match: str | None, if_none_match: str | None
) -> Changed:
    expected = expected_revision(if_match, if_none_match)
    written = one_document(text)
    try:
        document = parse_export(written.data)
    except InvalidInput as exc:
        raise InvalidInput([written.place(problem) for problem in exc.problems]) from exc
    if document.name != name:
        raise InvalidInput(
            [Problem(message=f"the body must be the export `{name}`", pointer="/name")]
        )
    ((_, change),) = operation.apply_export_documents(
        workspace, [document], expected={name: expected}
    )
    return Changed(name=name, change=change)
