"""The values of a column: every one with how many rows have it, sorted and searched, a page at a time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muster_console.operation.erasure import erased_customers
from muster_console.operation.remote import over
from muster_console.operation.statistic import ColumnFound, find_column
from muster_console.operation.workspace import Workspace
from muster_core.catalog.summary import TopValue, listed_values
from muster_core.errors import NotAllowedToSee
from muster_core.lake.value import count_values
from muster_core.storage import audit
from muster_core.storage.database import transaction


class ValueOrder(StrEnum):
    """How values are sorted; equal ones stand by value."""

    ROWS = "-rows"
    VALUE = "value"
    VALUE_DOWN = "-value"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePage:
    """Some of the values of a column, all of which are known."""

    snapshot: int
    #: The table's name in the store.
    table: str
    column: str
    type: str
    personal: bool
    #: How many rows have a value, and how many different ones there are; of arrays elements count.
    rows: int
    distinct: int
    #: How many of these hold what was searched for, and how many come before the ones shown.
    found: int
    skipped: int
    more: bool
    values: list[TopValue]

    def to_json(self) -> dict[str, Any]:
        """Return the page as programs read it."""
        return asdict(self)


@over("GET", "/catalog/values/{table}/{column}", names={"order": "sort"}, at="page")
def values(
    workspace: Workspace,
    table: str,
    column: str,
    *,
    search: str = "",
    order: ValueOrder = ValueOrder.ROWS,
    limit: int = 50,
    skip: int = 0,
) -> ValuePage:
    """Return values of a column in the data as it is prepared; looks at personal ones are recorded.

    `search` is part of a value as it is written, whatever its case.

    Raises:
        Conflict: nothing has been prepared, or there are more than a million values.
        NotFound: there is no such table or column.
        NotAllowedToSee: the column is personal, and whoever asks may not see member data.
    """
    known = find_column(workspace, table, column)
    if known.personal and not workspace.sees_members:
        raise NotAllowedToSee(f"The values of {table}.{column} are personal.")
    counted = _counted(workspace, known)
    shown = counted
    if search:
        texts = counted.column("value").cast(pa.string())
        shown = counted.filter(pc.match_substring(texts, search, ignore_case=True))
    page = shown.sort_by(_sorting(order)).slice(skip, limit)
    if known.personal:
        detail = {"column": column, "rows": page.num_rows}
        with transaction(workspace.database) as connection:
            audit.record(connection, workspace.actor, "values.viewed", table, detail)
    return ValuePage(
        snapshot=known.snapshot,
        table=known.stored,
        column=column,
        type=known.statistic.kind,
        personal=known.personal,
        rows=pc.sum(counted.column("rows")).as_py() or 0,
        distinct=counted.num_rows,
        found=shown.num_rows,
        skipped=skip,
        more=shown.num_rows > skip + limit,
        values=[TopValue(value=_plain(v["value"]), rows=v["rows"]) for v in page.to_pylist()],
    )


def _sorting(order: ValueOrder) -> list[tuple[str, str]]:
    down = "descending" if order is ValueOrder.VALUE_DOWN else "ascending"
    by_rows = [("rows", "descending")] if order is ValueOrder.ROWS else []
    return [*by_rows, ("value", down)]


def _counted(workspace: Workspace, known: ColumnFound) -> Any:
    """Return every value with its rows: as the preparation counted them, else from the store itself."""
    listed = None if known.personal else listed_values(known.statistic)
    if listed is None:
        return count_values(
            workspace.lake,
            known.manifest,
            known.manifest_sha256,
            known.stored,
            known.column,
            tuple(erased_customers(workspace)),
        )
    return pa.table(
        {
            "value": pa.array([v.value for v in listed]),
            "rows": pa.array([v.rows for v in listed], pa.int64()),
        }
    )


def _plain(value: Any) -> Any:
    return value.astimezone(UTC) if hasattr(value, "tzinfo") and value.tzinfo else value
