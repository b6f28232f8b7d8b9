"""Connections: where exports may go, whether that works, and who may name them."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from muster_console.operation.connection import (
    ask_test,
    delete_connection,
    detach_connection,
    list_connections,
    pause_connection,
)
from muster_console.web.component.dialog import confirm
from muster_console.web.component.markup import button, empty, path_to
from muster_console.web.component.table import Action, Column, DataTable, row_actions
from muster_console.web.live import Live, redraw
from muster_console.web.page.exports import exports_head
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission
from muster_core.storage.connection import StoredConnection


@page("/exports/connections", permission=Permission.VIEW, title="Connections", section="exports")
async def connections(visit: Visit) -> None:
    """Build the list of connections."""
    exports_head(visit, "/exports/connections")
    place = ui.element("div").classes("m-live")
    table: list[DataTable] = []

    async def act(name: str, key: str) -> None:
        await _act(visit, name, key)
        await live.refresh()

    def show(found: list[StoredConnection]) -> None:
        if not found:
            table.clear()
            redraw(place, lambda: _first(visit))
            return
        if not table:
            redraw(place, lambda: table.append(_table(act)))
        may = visit.allows(Permission.ADMINISTER)
        table[0].set_rows([_row(connection, may=may) for connection in found])

    live = Live(visit, list_connections, show)
    await live.start()


def _first(visit: Visit) -> None:
    with empty(
        "No connections yet",
        "A connection is a destination with its credentials: a bucket, a server, a database, a webhook. Administrators make them.",
        icon_name="link",
    ):
        if visit.allows(Permission.ADMINISTER):
            button(
                "Make the first connection",
                lambda: ui.navigate.to("/exports/connections/new"),
                kind="main",
            )


def _table(act: Any) -> DataTable:
    return DataTable(
        (
            Column(name="name", label="Name", search=True),
            Column(name="kind", label="Kind", filter=True),
            Column(name="state", label="State", kind="status", filter=True),
            Column(name="test", label="Last test", kind="status"),
            Column(name="tested_at", label="Tested", kind="instant"),
            Column(name="contributors", label="Contributors may use it", kind="yes"),
            Column(name="exports", label="Exports", kind="tags"),
            Column(name="actions", label="Actions", kind="actions"),
        ),
        row_key="name",
        caption="Connections",
        noun=("connection", "connections"),
        search="Search by name",
        sort_by="name",
        on_action=act,
    )


def _row(found: StoredConnection, *, may: bool) -> dict[str, Any]:
    state = "disabled" if found.disabled else "paused" if found.paused else "active"
    tested = (
        "none"
        if found.tested_at is None
        else "failed"
        if found.test_error or found.test_error_class
        else "ok"
    )
    return {
        "name": found.name,
        "kind": found.target.kind,
        "state": state,
        "state_note": found.disabled,
        "test": tested,
        "test_note": found.test_error,
        "tested_at": found.tested_at,
        "contributors": found.target.contributors,
        "exports": list(found.exports),
        "actions": _offered(found) if may else [],
    }


def _offered(found: StoredConnection) -> list[dict[str, Any]]:
    return row_actions(
        Action(name="test", label="Test", icon="network_check"),
        Action(name="edit", label="Edit", icon="edit"),
        Action(name="resume", label="Resume", icon="play_arrow")
        if found.paused
        else Action(name="pause", label="Pause", icon="pause"),
        Action(name="detach", label="Detach from exports", icon="link_off"),
        Action(name="delete", label="Delete", icon="delete", bad=True),
    )


async def _act(visit: Visit, action: str, name: str) -> None:
    administer = Permission.ADMINISTER
    if action == "edit":
        ui.navigate.to(path_to("exports", "connections", name))
    elif action == "test":
        await visit.do(administer, lambda w: ask_test(w, name), said=f"An exporter tries {name}.")
    elif action in ("pause", "resume"):
        paused = action == "pause"
        await visit.do(
            administer,
            lambda w: pause_connection(w, name, paused=paused),
            said=f"{name} is paused; what waits is held." if paused else f"{name} goes on.",
        )
    elif action == "detach":
        if await confirm(
            f"Detach {name}?",
            "Its exports stay, without a destination and inactive.",
            action="Detach",
            bad=True,
        ):
            await visit.do(
                administer, lambda w: detach_connection(w, name), said=f"{name} is detached."
            )
    elif await confirm(
        f"Delete {name}?",
        "Its credentials go with it. That is refused while an export uses it.",
        action="Delete",
        bad=True,
    ):
        await visit.do(administer, lambda w: delete_connection(w, name), said=f"{name} is deleted.")
