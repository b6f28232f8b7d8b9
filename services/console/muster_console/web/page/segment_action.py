"""What can be done with one segment from its page: refresh it, change it."""

from __future__ import annotations

from nicegui import ui

from muster_console.operation.refresh import refresh_segments
from muster_console.operation.segment import SegmentView
from muster_console.web.component.markup import button, path_to
from muster_console.web.visit import Visit
from muster_core.security.role import Permission


def segment_actions(visit: Visit, found: SegmentView) -> None:
    """Put the buttons; they are for people who may edit."""
    name = found.segment.name

    async def refresh() -> None:
        await visit.do(
            Permission.EDIT,
            lambda w: refresh_segments(w, [name]),
            said="A refresh was asked for; it shows below.",
        )

    if found.segment.state == "active":
        button("Refresh", refresh, icon_name="refresh")
    edit = button("Edit", icon_name="edit", kind="main")
    edit.on("click", lambda: ui.navigate.to(path_to("segments", name, "edit")))
