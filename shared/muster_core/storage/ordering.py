"""Lists too long to be read whole: sorted by any column, and read on behind the row a page ended with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorting:
    """A column to sort by, and where to begin; rows of one value stand by number, the largest first."""

    column: str
    down: bool
    #: The row the page before ended with: what it had in the column, and its number. None at the start.
    after: tuple[Any, int] | None = None


def sort_rows(
    query: sa.Select[Any],
    sorting: Sorting,
    column: sa.ColumnElement[Any],
    number: sa.ColumnElement[int],
) -> sa.Select[Any]:
    """Return `query` in the order of `column`, missing values last, from where `sorting` begins.

    `number` tells rows apart. A row that comes or goes meanwhile moves no other one to another page.
    """
    column = column.element if isinstance(column, sa.Label) else column
    ordered = query.order_by(
        (column.desc() if sorting.down else column.asc()).nulls_last(), number.desc()
    )
    if sorting.after is None:
        return ordered
    value, last = sorting.after
    if value is None:
        return ordered.where(column.is_(None), number < last)
    behind = column < value if sorting.down else column > value
    same = sa.and_(column == value, number < last)
    return ordered.where(sa.or_(behind, same, column.is_(None)))
