"""Deliveries of exports, sorted by any column."""

from __future__ import annotations

from collections.abc import Sequence

from muster_console.operation.remote import over
from muster_console.operation.sorting import next_cursor, read_sorting, sortable
from muster_console.operation.workspace import Workspace
from muster_core.exports.state import DeliveryState
from muster_core.storage import delivery_record
from muster_core.storage.database import transaction
from muster_core.storage.delivery_record import StoredDelivery

#: What deliveries can be sorted by.
DELIVERY_COLUMNS = sortable(StoredDelivery)


@over(
    "GET",
    "/deliveries",
    names={"export_name": "export", "segment_name": "segment"},
    pages="cursor",
)
def list_deliveries(
    workspace: Workspace,
    *,
    export_name: str | None = None,
    segment_name: str | None = None,
    state: DeliveryState | None = None,
    before: int | None = None,
    limit: int = 50,
    sort: str = "-id",
    cursor: str | None = None,
) -> list[StoredDelivery]:
    """Return deliveries older than number `before`, by default the newest first.

    `sort` is one of `DELIVERY_COLUMNS`, with - the largest first; `cursor` is that of the page before.

    Raises:
        InvalidInput: there is no such column, or the cursor is none of this list.
    """
    sorting = read_sorting(sort, cursor, DELIVERY_COLUMNS)
    with transaction(workspace.database) as connection:
        return delivery_record.list_deliveries(
            connection,
            export_name=export_name,
            segment_name=segment_name,
            state=state,
            before=before,
            limit=limit,
            sorting=sorting,
        )


def deliveries_behind(found: Sequence[StoredDelivery], limit: int, sort: str) -> str | None:
    """Return the cursor of the page behind these deliveries, None at the end."""
    return next_cursor(found, limit, sort, DELIVERY_COLUMNS, number="id")
