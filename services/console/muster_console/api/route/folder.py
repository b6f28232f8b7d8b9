"""Everything as code: what documents would change, and changing it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from muster_console.api.body import DOCUMENT_BODY, document_text
from muster_console.api.idempotency import ONLY_LOOKS, IdempotentRoute
from muster_console.api.policy import Editing, Viewing
from muster_console.api.route.definition import FilesGiven
from muster_console.operation.definition import TextFile
from muster_console.operation.folder import (
    DefinedDocument,
    Plan,
    apply_folder,
    list_documents,
    plan_folder,
    read_folder_files,
    read_folder_text,
)
from muster_console.operation.rule import CheckedRules, check_sent_files
from muster_console.operation.workspace import Workspace

router = APIRouter(tags=["as code"], route_class=IdempotentRoute)


@router.post("/plan", openapi_extra={**DOCUMENT_BODY, ONLY_LOOKS: True})
async def plan(workspace: Editing, request: Request) -> Plan:
    """Return what `apply` would do with these documents, and what was changed by hand since it last did.

    The body holds segments, measures and exports, as files hold them.
    """
    return await run_in_threadpool(_plan, workspace, await document_text(request))


@router.post("/apply", openapi_extra=DOCUMENT_BODY)
async def apply(workspace: Editing, request: Request) -> Plan:
    """Create or change everything the documents speak of, all or nothing."""
    return await run_in_threadpool(_apply, workspace, await document_text(request))


@router.post("/plan/files", openapi_extra={ONLY_LOOKS: True})
def plan_files(workspace: Editing, given: FilesGiven) -> Plan:
    """Return what applying these files would do; the name of a file stands in the problems it has."""
    return plan_folder(workspace, read_folder_files(_texts(given), workspace))


@router.post("/apply/files")
def apply_files(workspace: Editing, given: FilesGiven) -> Plan:
    """Create or change everything that these files speak of, all or nothing."""
    return apply_folder(workspace, read_folder_files(_texts(given), workspace))


@router.post("/rules/check", openapi_extra={ONLY_LOOKS: True})
def check_rules(workspace: Viewing, given: FilesGiven) -> CheckedRules:
    """Hold segments and measures against the catalog in use and what is saved; nothing is changed."""
    return check_sent_files(workspace, _texts(given))


@router.get("/documents")
def documents(workspace: Viewing) -> list[DefinedDocument]:
    """Return the document of every export, measure and segment, as files hold them."""
    return list_documents(workspace)


def _texts(given: FilesGiven) -> list[TextFile]:
    return [file.sent() for file in given.files]


def _plan(workspace: Workspace, text: str) -> Plan:
    return plan_folder(workspace, read_folder_text(text, workspace))


def _apply(workspace: Workspace, text: str) -> Plan:
    return apply_folder(workspace, read_folder_text(text, workspace))
