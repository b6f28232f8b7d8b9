"""The list of segments: everything at a glance, live, and what can be done with many of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from nicegui import ui

from muster_console.operation.pulse import LiveSegment, SegmentWatch
from muster_console.operation.service import look_at_limits
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import button, empty, note
from muster_console.web.component.table import Column, DataTable
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.chosen import act_on_rows, offered
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import schedule_words
from muster_core.security.role import Permission

COLUMNS = (
    Column(name="name", label="Name", kind="link", href="/segments/{name}", search=True),
    Column(name="display_name", label="Display name", search=True, hidden=True),
    Column(name="tags", label="Tags", kind="tags", filter=True, search=True),
    Column(name="type", label="Type", filter=True),
    Column(name="state", label="State", kind="status", filter=True),
    Column(name="status", label="Status", kind="status", filter=True),
    Column(name="members", label="Members", kind="number"),
    Column(name="refreshed_at", label="Last refreshed", kind="instant"),
    Column(name="schedule", label="Schedule"),
    Column(name="next_due_at", label="Next run", kind="moment"),
    Column(name="owner", label="Owner", filter=True),
    Column(name="problem", label="What went wrong", hidden=True),
)
#: Every page of the list looks through this one, so that a second costs one query, however many look.
_WATCH = SegmentWatch()


@page("/segments", permission=Permission.VIEW, title="Segments")
async def segments(visit: Visit) -> None:
    """Build the list."""
    edits = visit.allows(Permission.EDIT)
    with heading("Segments", lead="Groups of customers, kept fresh."):
        if edits:
            button("Quick segment", lambda: ui.navigate.to("/quick-segment"), icon_name="bolt")
            button(
                "New segment", lambda: ui.navigate.to("/new-segment"), icon_name="add", kind="main"
            )
    banner = ui.element("div")
    banner.props["role"] = "status"
    place = ui.element("div").classes("m-live")
    table: list[DataTable] = []

    async def act(name: str, keys: list[str]) -> None:
        await act_on_rows(visit, name, keys, done)

    async def done() -> None:
        _WATCH.forget()
        await live.refresh()

    def fill(rows: list[LiveSegment]) -> None:
        if not rows:
            table.clear()
            redraw(place, lambda: _first(edits=edits))
            return
        if not table:
            redraw(place, lambda: table.append(_table(visit, act)))
        table[0].set_rows([_row(found) for found in rows])

    live = Live(visit, _WATCH.look, fill, seconds=1.5)
    await live.start()
    warn = Live(visit, _WARNING.look, lambda said: redraw(banner, lambda: _warn(said)), seconds=60)
    await warn.start(later=True)


class _Warning:
    """The banner on limits, for everybody the same; weighing every segment's use is too dear for each look."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._said: str | None = None

    def look(self, workspace: Workspace) -> str | None:
        """Return what is said, at most `seconds` old."""
        with self._lock:
            if time.monotonic() - self._read_at >= self._seconds:
                self._said = look_at_limits(workspace).banner
                self._read_at = time.monotonic()
            return self._said


_WARNING = _Warning(seconds=10)


def _warn(said: str | None) -> None:
    if said:
        note(said, bad=True)


def _table(visit: Visit, act: Callable[[str, list[str]], Any]) -> DataTable:
    return DataTable(
        COLUMNS,
        row_key="name",
        caption="Segments",
        noun=("segment", "segments"),
        memory="segments",
        search="Search by name",
        arrangeable=True,
        bulk=offered(visit),
        sort_by="name",
        on_bulk=act,
        start={
            name: word
            for name in ("tags", "type", "state", "status")
            if (word := visit.query.get(name))
        },
    )


def _first(*, edits: bool) -> None:
    with empty(
        "No segments yet",
        "A segment is a group of customers who fit your rules. Muster keeps it fresh and delivers its members.",
        icon_name="groups",
    ):
        if edits:
            button(
                "Make the first segment",
                lambda: ui.navigate.to("/new-segment"),
                icon_name="add",
                kind="main",
            )


def _row(found: LiveSegment) -> dict[str, Any]:
    line = found.line
    return {
        "name": line.name,
        "name_note": line.display_name,
        "display_name": line.display_name,
        "tags": line.tags,
        "type": line.type,
        "state": line.state,
        "status": line.status,
        "status_note": line.reason,
        "status_share": found.share,
        "members": line.members,
        "refreshed_at": line.refreshed_at,
        "schedule": schedule_words(line.type, line.schedule),
        "next_due_at": line.next_due_at,
        "owner": line.owner,
        "problem": line.problem,
    }
