"""The catalog: show, check, put in use; and what its columns hold."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from muster_console.api.body import DOCUMENT_BODY, document_text
from muster_console.api.idempotency import ONLY_LOOKS, IdempotentRoute
from muster_console.api.policy import Administering, Viewing
from muster_console.api.problem import ProblemItem, problem_items
from muster_console.operation import catalog as operation
from muster_console.operation.statistic import table_statistics
from muster_console.operation.workspace import Workspace
from muster_core.lake.inspect import Inspection, TableReport

router = APIRouter(prefix="/catalog", tags=["catalog"], route_class=IdempotentRoute)


class Inspected(BaseModel):
    """A catalog that fits its data, with the types found there."""

    catalog: dict[str, Any]
    tables: list[TableReport]
    warnings: list[ProblemItem]


class CatalogApplied(Inspected):
    """The catalog that is in use now, and whether it is another one than before."""

    id: int
    changed: bool


class StatisticsShown(BaseModel):
    """The columns of a table, once for every way it is prepared."""

    items: list[dict[str, Any]]


@router.get("")
def catalog(workspace: Viewing) -> dict[str, Any]:
    """Return the catalog in use."""
    return operation.show_catalog(workspace).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )


@router.put("", openapi_extra=DOCUMENT_BODY)
async def apply_catalog(workspace: Administering, request: Request) -> CatalogApplied:
    """Check a catalog against its data and put it in use; its sources are addresses or absolute paths."""
    return await run_in_threadpool(_apply, workspace, await document_text(request))


@router.post("/check", openapi_extra={**DOCUMENT_BODY, ONLY_LOOKS: True})
async def check_catalog(workspace: Administering, request: Request) -> Inspected:
    """Hold a catalog against its data; nothing is saved."""
    text = await document_text(request)
    return Inspected(**_inspected(await run_in_threadpool(operation.check_catalog_text, text)))


@router.get("/statistics/{table}")
def statistics(
    workspace: Viewing, table: str, column: Annotated[str | None, Query(max_length=512)] = None
) -> StatisticsShown:
    """Return what the columns of a prepared table hold; nothing of the values of personal ones."""
    return StatisticsShown(
        items=[summary.to_json() for summary in table_statistics(workspace, table, column)]
    )


def _apply(workspace: Workspace, text: str) -> CatalogApplied:
    applied = operation.apply_catalog_text(workspace, text)
    return CatalogApplied(id=applied.id, changed=applied.changed, **_inspected(applied.inspection))


def _inspected(inspection: Inspection) -> dict[str, Any]:
    return {
        "catalog": inspection.catalog.model_dump(mode="json", by_alias=True),
        "tables": inspection.tables,
        "warnings": problem_items(inspection.warnings),
    }
