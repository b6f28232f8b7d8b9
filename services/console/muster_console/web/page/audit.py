"""The record of what everybody did, and whether its chain is whole."""

from __future__ import annotations

from typing import Any

from muster_console.operation import access
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import button, note, stack
from muster_console.web.component.table import Column, DataTable
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.settings import settings_head
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission
from muster_core.storage.audit import AuditEntry

_SHOWN = 1_000


@page("/settings/audit", permission=Permission.ADMINISTER, title="Audit")
async def audit(visit: Visit) -> None:
    """Build the latest entries, with a look along the whole chain on request."""
    with heading(
        "Audit", lead="Every change, and every look at member data; never the data itself."
    ):
        button("Verify the chain", lambda: verify(), icon_name="verified", kind="main")
    settings_head(visit, "/settings/audit")
    verdict = stack()
    verdict.props["role"] = "status"

    async def verify() -> None:
        outcome = await visit.do(Permission.ADMINISTER, access.verify_entries)
        if outcome.value is None:
            return
        entries, broken = outcome.value
        words = (
            f"All {entries} entries fit together; none was changed, taken out, put in or moved."
            if broken is None
            else f"Entry {broken} does not fit the one before it: somebody changed the record."
        )
        redraw(verdict, lambda: _note(words, bad=broken is not None))

    table: list[DataTable] = []

    def show(found: list[AuditEntry]) -> None:
        if not table:
            table.append(
                DataTable(
                    (
                        Column(name="seq", label="Entry", kind="number"),
                        Column(name="at", label="When", kind="moment"),
                        Column(name="actor", label="Who", filter=True, search=True),
                        Column(name="action", label="What", filter=True, search=True),
                        Column(name="object", label="To what", search=True),
                        Column(name="detail", label="Detail", search=True),
                    ),
                    row_key="seq",
                    caption="What everybody did",
                    noun=("entry", "entries"),
                    search="Search",
                    sort_by="seq",
                    sort_down=True,
                    arrangeable=True,
                    memory="audit",
                )
            )
        table[0].set_rows([_entry(entry) for entry in found])

    await Live(visit, _entries, show, seconds=5).start()


def _note(words: str, *, bad: bool) -> None:
    note(words, bad=bad)


def _entries(workspace: Workspace) -> list[AuditEntry]:
    return access.list_entries(workspace, limit=_SHOWN)


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "detail": ", ".join(f"{name}: {_said(value)}" for name, value in entry.detail.items()),
    }


def _said(value: Any) -> str:
    """Return a value of a detail as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(_said(item) for item in value) or "none"
    return "none" if value is None else str(value)
