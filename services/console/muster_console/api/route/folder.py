"""Everything as code: what documents would change, and changing it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from muster_console.api.body import DOCUMENT_BODY, document_text
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Editing
from muster_console.operation.folder import Plan, apply_folder, plan_folder, read_folder_text
from muster_console.operation.workspace import Workspace

router = APIRouter(tags=["as code"], route_class=IdempotentRoute)


@router.post("/plan", openapi_extra=DOCUMENT_BODY)
async def plan(workspace: Editing, request: Request) -> Plan:
    """Return what `apply` would do with these documents, and what was changed by hand since it last did.

    The body holds segments, measures and exports, as files hold them.
    """
    return await run_in_threadpool(_plan, workspace, await document_text(request))


@router.post("/apply", openapi_extra=DOCUMENT_BODY)
async def apply(workspace: Editing, request: Request) -> Plan:
    """Create or change everything the documents speak of, all or nothing."""
    return await run_in_threadpool(_apply, workspace, await document_text(request))


def _plan(workspace: Workspace, text: str) -> Plan:
    return plan_folder(workspace, read_folder_text(text, workspace))


def _apply(workspace: Workspace, text: str) -> Plan:
    return apply_folder(workspace, read_folder_text(text, workspace))
