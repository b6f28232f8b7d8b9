"""One export: what it sends and where, how its deliveries went, which rows were refused."""

from __future__ import annotations

from typing import Any

import yaml
from nicegui import ui

from muster_console.operation.export import (
    apply_export_documents,
    delete_export,
    deliver,
    get_export,
)
from muster_console.operation.new_export import duplicate_export
from muster_console.operation.refused import list_refused
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import Field, ask, confirm
from muster_console.web.component.markup import (
    button,
    card,
    facts,
    link,
    path_to,
    row,
    stack,
    text,
)
from muster_console.web.component.table import Column, DataTable, Figure, chip
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.exports import delivery_table, schedule_words
from muster_console.web.policy import page
from muster_console.web.visit import Outcome, Visit
from muster_core.security.role import Permission
from muster_core.storage.export import StoredExport

_REFUSED = 1_000


@page("/exports/{export}", permission=Permission.VIEW, title="Export")
async def export_page(visit: Visit, export: str) -> None:
    """Build one export."""
    await visit.load(lambda w: get_export(w, export))
    with heading(export, back=("/exports", "Exports")):
        actions = row()
    parts: dict[str, Any] = {}

    def show(stored: StoredExport) -> None:
        if not parts:
            parts["body"] = stack()
        redraw(actions, lambda: _actions(visit, stored))
        redraw(parts["body"], lambda: _facts(stored))

    await Live(visit, lambda w: get_export(w, export), show).start()
    with card("Deliveries"):
        await delivery_table(visit, export)
    if visit.allows(Permission.MEMBERS):
        with card("Refused rows"):
            text(
                "Rows the destination did not take. Looking at them is recorded, for they name customers."
            ).classes("m-muted")
            place = stack()
            button("Show refused rows", lambda: _show_refused(visit, export, place))


def _actions(visit: Visit, stored: StoredExport) -> None:
    if not visit.allows(Permission.EDIT):
        return
    name = stored.name
    button(
        "Deliver now",
        lambda: visit.do(
            Permission.EDIT, lambda w: deliver(w, name), said="It is being delivered."
        ),
        icon_name="send",
        kind="main",
    )
    button(
        "Pause" if stored.active else "Resume",
        lambda: visit.do(
            Permission.EDIT,
            lambda w: _switch(w, name, active=not stored.active),
            said="It delivers nothing by itself." if stored.active else "It delivers again.",
        ),
        icon_name="pause" if stored.active else "play_arrow",
    )
    button("Edit", lambda: ui.navigate.to(path_to("exports", name, "edit")), icon_name="edit")
    button("Duplicate", lambda: _duplicate(visit, name), icon_name="content_copy")
    button("Delete", lambda: _delete(visit, name), icon_name="delete", kind="danger")


def _switch(workspace: Workspace, name: str, *, active: bool) -> None:
    document = get_export(workspace, name).document
    apply_export_documents(workspace, [document.model_copy(update={"active": active})])


def _duplicate(visit: Visit, name: str) -> None:
    async def submit(given: dict[str, Any]) -> Outcome[Any]:
        copy = str(given["name"]).strip()
        outcome = await visit.do(Permission.EDIT, lambda w: duplicate_export(w, name, copy))
        if outcome.ok:
            ui.navigate.to(path_to("exports", copy, "edit"))
        return outcome

    ask(
        f"Duplicate {name}",
        [Field(name="name", label="Name of the copy", value=f"{name}_copy")],
        submit,
        action="Duplicate",
        lead="Nothing of its history is copied; the copy opens to be changed.",
    )


async def _delete(visit: Visit, name: str) -> None:
    if await confirm(
        f"Delete the export {name}?",
        "Its history goes with it. What was delivered stays where it is.",
        action="Delete",
        bad=True,
    ):
        outcome = await visit.do(
            Permission.EDIT, lambda w: delete_export(w, name), said=f"{name} is deleted."
        )
        if outcome.ok:
            ui.navigate.to("/exports")


def _facts(stored: StoredExport) -> None:
    document = stored.document
    with card():
        if document.description:
            text(document.description, tag="p")
        facts(
            [
                ("State", lambda: chip("active" if stored.active else "inactive")),
                ("Goes to", document.target),
                ("When", schedule_words(document)),
                ("Format", document.format.value),
                ("What is told", document.mode.value if document.mode else "what is usual there"),
                ("Waiting versions", document.policy.value),
                ("Rows per file", lambda: Figure(document.rows_per_file)),
                ("Columns", ", ".join(["the key", *(c.header for c in document.columns)])),
            ]
        )
        with row():
            text("Segments").classes("m-muted")
            for segment in document.segments[:50]:
                link(path_to("segments", segment), segment)
            if len(document.segments) > 50:
                text(f"and {len(document.segments) - 50} more").classes("m-muted")
    with card("Document"):
        text(document_text(stored), tag="pre").classes("m-code").props("tabindex=0")


def document_text(stored: StoredExport) -> str:
    """Return an export as files hold it, in YAML."""
    written = stored.document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True)


async def _show_refused(visit: Visit, name: str, place: ui.element) -> None:
    outcome = await visit.do(Permission.MEMBERS, lambda w: list_refused(w, name, limit=_REFUSED))
    if outcome.value is None:
        return
    rows = [
        {
            "id": place_,
            "segment": refused.segment,
            "key": refused.key,
            "operation": refused.operation,
            "reason": refused.reason,
            "attempts": refused.attempts,
            "last_at": refused.last_at,
        }
        for place_, refused in enumerate(outcome.value)
    ]
    redraw(place, lambda: _refused_table(rows))


def _refused_table(rows: list[dict[str, Any]]) -> None:
    DataTable(
        (
            Column(name="key", label="Customer", kind="code"),
            Column(name="segment", label="Segment", filter=True),
            Column(name="operation", label="What was told", filter=True),
            Column(name="reason", label="Why it was refused", filter=True),
            Column(name="attempts", label="Attempts", kind="number"),
            Column(name="last_at", label="Last tried", kind="moment"),
        ),
        rows,
        row_key="id",
        caption="Rows the destination refused",
        noun=("row", "rows"),
        empty="No row was refused.",
        page_size=20,
    )
