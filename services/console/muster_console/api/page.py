"""How queries say which page of a list they want."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from muster_console.operation.page import Page, page_of, place_text, read_order, read_place

__all__ = ["Cursor", "Limit", "Page", "Sort", "page_of", "place_text", "read_order", "read_place"]

Sort = Annotated[
    str, Query(max_length=64, description="A column; with - in front the largest first.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=2_000, description="`next` of the page before; the same query.")
]
