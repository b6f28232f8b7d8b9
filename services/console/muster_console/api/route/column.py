"""What columns hold: every value, and what a quick segment picks from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from muster_console.api.body import Given
from muster_console.api.idempotency import ONLY_LOOKS, IdempotentRoute
from muster_console.api.page import Cursor, Limit, place_text, read_place
from muster_console.api.policy import Editing, Viewing
from muster_console.operation.preview import Preview
from muster_console.operation.quick import Choices, quick_choices, quick_segment
from muster_console.operation.value import ValueOrder, ValuePage, values

router = APIRouter(tags=["catalog"], route_class=IdempotentRoute)


class Values(BaseModel):
    """A page of the values of a column; `next` is the cursor of the page behind."""

    page: ValuePage
    next: str | None


class QuickRequest(Given):
    """One column and one comparison; by default the one that is usual for its type."""

    table: str = Field(max_length=512)
    column: str = Field(max_length=512)
    compare: str | None = Field(default=None, max_length=64)
    values: list[str | int | float] = Field(default=[], max_length=10_000)
    name: str = Field(default="quick", max_length=100)
    display_name: str | None = Field(default=None, max_length=1_000)


class QuickAnswer(BaseModel):
    """The document, to be saved with PUT as it is or changed, and how many members it would have."""

    document: dict[str, Any]
    preview: Preview


@router.get("/catalog/values/{table}/{column}")
def list_values(
    workspace: Viewing,
    table: str,
    column: str,
    *,
    search: Annotated[str, Query(max_length=256, description="Part of the value.")] = "",
    sort: ValueOrder = ValueOrder.ROWS,
    skip: Annotated[int, Query(ge=0, lt=2**31, description="Leave out so many first.")] = 0,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Values:
    """List the values of a column with their rows; those of a personal one need the grant `members`."""
    skip += read_place(cursor, None)[1]
    page = values(workspace, table, column, search=search, order=sort, limit=limit, skip=skip)
    return Values(page=page, next=place_text(page.snapshot, skip + limit) if page.more else None)


@router.get("/catalog/choices/{table}/{column}")
def choices(workspace: Viewing, table: str, column: str) -> Choices:
    """Return what a quick segment picks from: top values, percentiles, comparisons."""
    return quick_choices(workspace, table, column)


@router.post("/segments/quick", openapi_extra={ONLY_LOOKS: True})
def quick(workspace: Editing, request: QuickRequest) -> QuickAnswer:
    """Return the segment of one comparison and its size; nothing is saved."""
    found = quick_segment(
        workspace,
        request.table,
        request.column,
        request.values,
        compare=request.compare,
        name=request.name,
        display_name=request.display_name,
    )
    return QuickAnswer(document=found.document, preview=found.preview)
