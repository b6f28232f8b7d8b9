"""The knowledge around a segment: previews, plans, history, overlap, and why somebody belongs to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from muster_console.api.body import DOCUMENT_BODY, Given, document_text
from muster_console.api.idempotency import ONLY_LOOKS, IdempotentRoute
from muster_console.api.page import Limit
from muster_console.api.policy import Editing, SeeingMembers, Viewing
from muster_console.operation.explain import Explanation, explain_customer
from muster_console.operation.history import Changes, History, Period, changes, history
from muster_console.operation.overlap import Apart, Overlap, apart, overlap
from muster_console.operation.planning import MembershipPlan, plan_saved, plan_segment
from muster_console.operation.preview import Preview, preview
from muster_core.errors import InvalidInput, Problem

router = APIRouter(prefix="/segments", tags=["segments"], route_class=IdempotentRoute)

Exact = Annotated[
    bool | None,
    Query(description="Look at everybody, or at a part; by default as there are rows to read."),
]
Number = Annotated[int | None, Query(ge=1, lt=2**63)]
AsOf = Annotated[datetime | None, Query(description="Evaluate as of this instant.")]


class OverlapRequest(Given):
    """The segments to hold against each other."""

    names: list[str] = Field(min_length=2, max_length=50)


class ExplainRequest(Given):
    """A customer, and a past version; without one the rules as they are saved, now."""

    key: str | int
    version: int | None = Field(default=None, ge=1, lt=2**63)


@router.post("/preview", openapi_extra={**DOCUMENT_BODY, ONLY_LOOKS: True})
async def preview_segment(
    workspace: Editing, request: Request, exact: Exact = None, as_of: AsOf = None
) -> Preview:
    """Return what a definition would give: the document as JSON or YAML, as files hold it; nothing is saved."""
    text = await document_text(request)
    return await run_in_threadpool(preview, workspace, text, exact=exact, as_of=with_offset(as_of))


@router.post("/plan", openapi_extra={**DOCUMENT_BODY, ONLY_LOOKS: True})
async def plan_document(workspace: Editing, request: Request, as_of: AsOf = None) -> MembershipPlan:
    """Return who would join and leave, per rule and per export, were the document saved; nothing is."""
    text = await document_text(request)
    return await run_in_threadpool(plan_segment, workspace, text, as_of=with_offset(as_of))


@router.post("/plan/members", openapi_extra={**DOCUMENT_BODY, ONLY_LOOKS: True})
async def plan_members(
    workspace: SeeingMembers, request: Request, limit: Limit = 100, as_of: AsOf = None
) -> MembershipPlan:
    """Return the plan with the first keys of who would join and leave; the look is recorded."""
    text = await document_text(request)
    return await run_in_threadpool(
        plan_segment, workspace, text, keys=limit, as_of=with_offset(as_of)
    )


@router.post("/overlap", openapi_extra={ONLY_LOOKS: True})
def show_overlap(workspace: Viewing, request: OverlapRequest) -> Overlap:
    """Return how many members segments share, in pairs and all of them."""
    return overlap(workspace, request.names)


@router.get("/{name}/plan")
def plan_as_saved(workspace: Viewing, name: str, as_of: AsOf = None) -> MembershipPlan:
    """Return who would join and leave at a refresh of the segment as it is saved."""
    return plan_saved(workspace, name, as_of=with_offset(as_of))


@router.get("/{name}/apart")
def show_apart(workspace: Viewing, name: str) -> Apart:
    """Return what sets the members apart from everybody: columns of the profile, the most different first."""
    return apart(workspace, name)


@router.post("/{name}/explain", openapi_extra={ONLY_LOOKS: True})
def explain_member(workspace: SeeingMembers, name: str, request: ExplainRequest) -> Explanation:
    """Return why a customer is a member or not; the look is recorded. The key stands in the body, not the address."""
    return explain_customer(workspace, name, request.key, version=request.version)


@router.get("/{name}/history")
def show_history(workspace: Viewing, name: str, period: Period = Period.ALL) -> History:
    """Return the trend of the member count, with who joined and left per version."""
    return history(workspace, name, period)


@router.get("/{name}/changes")
def show_changes(
    workspace: SeeingMembers,
    name: str,
    from_: Annotated[Number, Query(alias="from", description="Default: the one before.")] = None,
    to: Annotated[Number, Query(description="Default: the latest.")] = None,
    limit: Limit = 100,
) -> Changes:
    """Return who joined and left between two versions, with the first keys; the look is recorded."""
    return changes(workspace, name, from_version=from_, to_version=to, limit=limit)


def with_offset(instant: datetime | None) -> datetime | None:
    """Return an instant that says where it is.

    Raises:
        InvalidInput: it has no offset.
    """
    if instant is not None and instant.tzinfo is None:
        problem = Problem(
            message="an instant needs an offset", pointer="/query/as_of", hint="end it with Z"
        )
        raise InvalidInput([problem])
    return instant
