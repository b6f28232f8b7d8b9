"""The list of segments: everything at a glance, live, and what can be done with many of them."""

from __future__ import annotations

from typing import Any

from muster_console.operation.segment import SegmentLine, list_segments
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import button, empty
from muster_console.web.component.table import Column, DataTable
from muster_console.web.frame import heading
from muster_console.web.live import Live
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission

COLUMNS = (
    Column(name="name", label="Name", kind="link", href="/segments/{name}", search=True),
    Column(name="type", label="Type", filter=True),
    Column(name="state", label="State", kind="status", filter=True),
    Column(name="status", label="Status", kind="status", filter=True),
    Column(name="members", label="Members", kind="number"),
    Column(name="refreshed_at", label="Last refreshed", kind="instant"),
    Column(name="schedule", label="Schedule"),
    Column(name="next_due_at", label="Next run", kind="moment"),
)


@page("/segments", permission=Permission.VIEW, title="Segments")
async def segments(visit: Visit) -> None:
    """Build the list."""
    with heading("Segments"):
        if visit.allows(Permission.EDIT):
            button("New segment", icon_name="add", kind="main")
    table: list[DataTable] = []

    def show(rows: list[dict[str, Any]]) -> None:
        if not table:
            if not rows:
                empty("No segments yet", "Make the first one.")
                return
            table.append(
                DataTable(
                    COLUMNS,
                    row_key="name",
                    caption="Segments",
                    noun=("segment", "segments"),
                    memory="segments",
                    search="Search by name",
                    arrangeable=True,
                    sort_by="name",
                )
            )
        table[0].set_rows(rows)

    await Live(visit, _rows, show).start()


def _rows(workspace: Workspace) -> list[dict[str, Any]]:
    return [_row(line) for line in list_segments(workspace)]


def _row(line: SegmentLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "type": line.type,
        "state": line.state,
        "status": line.status,
        "status_note": line.reason,
        "members": line.members,
        "refreshed_at": line.refreshed_at,
        "schedule": line.schedule,
        "next_due_at": line.next_due_at,
    }
