"""Exports, their deliveries, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from muster_console.operation.delivery import list_deliveries
from muster_console.operation.export import (
    Control,
    control_delivery,
    deliver,
    list_exports,
)
from muster_console.operation.workspace import Workspace
from muster_console.web.builder.timing import daily_words
from muster_console.web.component.markup import button, empty, tabs
from muster_console.web.component.table import Action, Column, DataTable, row_actions
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.exports.document import ExportCron, ExportDocument
from muster_core.exports.state import DeliveryState
from muster_core.security.role import Permission
from muster_core.storage.delivery_record import StoredDelivery
from muster_core.storage.export import StoredExport

_PARTS = [
    ("/exports", "Exports"),
    ("/exports/deliveries", "Deliveries"),
    ("/exports/connections", "Connections"),
]
_DELIVERIES = 500
_SAID: dict[Control, str] = {
    "held": "is held",
    "released": "goes on",
    "cancelled": "is cancelled",
    "repeated": "is sent again, with the same ids",
}
_DELIVER = Action(name="deliver", label="Deliver now", icon="send")

DELIVERY_COLUMNS = (
    Column(name="id", label="Delivery", kind="number"),
    Column(name="export", label="Export", kind="link", href="/exports/{export}", search=True),
    Column(name="segment", label="Segment", kind="link", href="/segments/{segment}", search=True),
    Column(name="state", label="State", kind="status", filter=True),
    Column(name="version", label="Version", kind="number"),
    Column(name="rows", label="Rows taken", kind="number"),
    Column(name="bytes", label="Size", kind="bytes"),
    Column(name="created_at", label="Asked for", kind="instant"),
    Column(name="finished_at", label="Ended", kind="instant"),
    Column(name="error", label="What went wrong", hidden=True),
    Column(name="location", label="Where", kind="code", hidden=True),
    Column(name="attempt", label="Attempt", kind="number", hidden=True),
    Column(name="actions", label="Actions", kind="actions"),
)


def exports_head(visit: Visit, current: str) -> None:
    """Put the title of the exports and the links between their parts."""
    with heading("Exports", lead="Members of segments, delivered to where they are used."):
        if visit.allows(Permission.EDIT) and current != "/exports/connections":
            button(
                "New export",
                lambda: ui.navigate.to("/exports/new"),
                icon_name="add",
                kind="main",
            )
        if visit.allows(Permission.ADMINISTER) and current == "/exports/connections":
            button(
                "New connection",
                lambda: ui.navigate.to("/exports/connections/new"),
                icon_name="add_link",
                kind="main",
            )
    tabs(_PARTS, current, "Parts of exports")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exports:
    exports: Sequence[StoredExport]
    latest: dict[str, StoredDelivery]


def _read(workspace: Workspace) -> _Exports:
    latest: dict[str, StoredDelivery] = {}
    for delivery in list_deliveries(workspace, limit=_DELIVERIES):
        latest.setdefault(delivery.export, delivery)
    return _Exports(exports=list_exports(workspace), latest=latest)


@page("/exports", permission=Permission.VIEW, title="Exports")
async def exports(visit: Visit) -> None:
    """Build the list of exports with their latest delivery."""
    exports_head(visit, "/exports")
    place = ui.element("div").classes("m-live")
    table: list[DataTable] = []

    async def act(name: str, key: str) -> None:
        await visit.do(
            Permission.EDIT, lambda w: deliver(w, key), said=f"{key} is being delivered."
        )

    def show(found: _Exports) -> None:
        if not found.exports:
            table.clear()
            redraw(place, lambda: _first(visit))
            return
        if not table:
            redraw(place, lambda: table.append(_table(act)))
        offered = row_actions(_DELIVER) if visit.allows(Permission.EDIT) else []
        table[0].set_rows(
            [
                _row(stored, found.latest.get(stored.name)) | {"actions": offered}
                for stored in found.exports
            ]
        )

    await Live(visit, _read, show).start()


def _first(visit: Visit) -> None:
    with empty(
        "No exports yet",
        "An export sends the members of segments to a folder, a bucket, a server or a table, whenever they are refreshed.",
        icon_name="outbox",
    ):
        if visit.allows(Permission.EDIT):
            button("Make the first export", lambda: ui.navigate.to("/exports/new"), kind="main")


def _table(act: Any) -> DataTable:
    return DataTable(
        (
            Column(name="name", label="Name", kind="link", href="/exports/{name}", search=True),
            Column(name="state", label="State", kind="status", filter=True),
            Column(name="target", label="Goes to", filter=True),
            Column(name="segments", label="Segments", kind="number"),
            Column(name="format", label="Format", filter=True),
            Column(name="schedule", label="When"),
            Column(name="delivery", label="Latest delivery", kind="status", filter=True),
            Column(name="delivered_at", label="Delivered", kind="instant"),
            Column(name="actions", label="Actions", kind="actions"),
        ),
        row_key="name",
        caption="Exports",
        noun=("export", "exports"),
        search="Search by name",
        arrangeable=True,
        memory="exports",
        sort_by="name",
        on_action=act,
    )


def _row(stored: StoredExport, latest: StoredDelivery | None) -> dict[str, Any]:
    document = stored.document
    return {
        "name": stored.name,
        "state": "active" if stored.active else "inactive",
        "target": document.target,
        "segments": len(document.segments),
        "format": document.format,
        "schedule": schedule_words(document),
        "delivery": latest.state if latest else "none",
        "delivered_at": latest.finished_at if latest else None,
    }


def schedule_words(document: ExportDocument) -> str:
    """Return when an export delivers by itself, in words."""
    if isinstance(document.schedule, ExportCron):
        cron = document.schedule.cron
        return f"{daily_words(cron) or cron}, {document.schedule.timezone}"
    return {"after_refresh": "after each refresh", "manual": "by hand"}[document.schedule]


@page("/exports/deliveries", permission=Permission.VIEW, title="Deliveries")
async def deliveries(visit: Visit) -> None:
    """Build the latest deliveries of all exports."""
    exports_head(visit, "/exports/deliveries")
    await delivery_table(visit, None)


async def delivery_table(visit: Visit, export_name: str | None) -> None:
    """Put the latest deliveries, of one export or of all, live, with what can be done with each."""
    table: list[DataTable] = []

    async def act(name: str, key: int) -> None:
        control = next(control for control in _SAID if control == name)
        await visit.do(
            Permission.EDIT,
            lambda w: control_delivery(w, key, control),
            said=f"Delivery {key} {_SAID[control]}.",
        )
        await live.refresh()

    def show(found: list[StoredDelivery]) -> None:
        if not table:
            table.append(
                DataTable(
                    [c for c in DELIVERY_COLUMNS if export_name is None or c.name != "export"],
                    row_key="id",
                    caption="Deliveries",
                    noun=("delivery", "deliveries"),
                    search="Search",
                    arrangeable=True,
                    memory="deliveries",
                    sort_by="id",
                    sort_down=True,
                    empty="Nothing has been delivered yet.",
                    on_action=act,
                )
            )
        may = visit.allows(Permission.EDIT)
        table[0].set_rows([_delivery(delivery, may=may) for delivery in found])

    live = Live(
        visit,
        lambda w: list_deliveries(w, export_name=export_name, limit=_DELIVERIES),
        show,
    )
    await live.start()


def _delivery(found: StoredDelivery, *, may: bool) -> dict[str, Any]:
    return {
        "id": found.id,
        "export": found.export,
        "segment": found.segment,
        "state": found.state,
        "state_note": found.waits_for or found.error or found.reason,
        "version": found.version,
        "rows": found.rows,
        "bytes": found.bytes,
        "created_at": found.created_at,
        "finished_at": found.finished_at,
        "error": found.error,
        "location": found.location,
        "attempt": found.attempt,
        "actions": _offered(found.state) if may else [],
    }


def _offered(state: DeliveryState) -> list[dict[str, Any]]:
    """Return what can be done with a delivery in this state."""
    hold = Action(name="held", label="Hold", icon="pause")
    release = Action(name="released", label="Go on", icon="play_arrow")
    cancel = Action(name="cancelled", label="Cancel", icon="cancel")
    repeat = Action(name="repeated", label="Send again", icon="replay")
    return row_actions(
        *{
            DeliveryState.PENDING: (hold, cancel),
            DeliveryState.RUNNING: (cancel,),
            DeliveryState.HELD: (release, cancel),
        }.get(state, (repeat,))
    )
