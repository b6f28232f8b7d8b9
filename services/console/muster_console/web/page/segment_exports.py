"""Which exports contain a segment, and which do not: add it to one, or take it out."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.export import change_segments, exports_of
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import confirm
from muster_console.web.component.markup import button, card, link, path_to, row, stack, text
from muster_console.web.live import redraw
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission


@page("/segments/{name}/exports", permission=Permission.VIEW, title="Exports", section="segments")
async def segment_exports(visit: Visit, name: str) -> None:
    """Build the page."""
    await segment_frame(visit, name)
    place = stack()
    if visit.allows(Permission.EDIT):
        new = f"/exports/new?{urlencode({'segment': name})}"
        with row():
            button("New export of it", lambda: ui.navigate.to(new), icon_name="add")

    async def load() -> None:
        found = await visit.load(lambda workspace: exports_of(workspace, name))
        redraw(place, lambda: _lists(found))

    async def change(export: str, *, add: bool) -> None:
        words = f"It no longer delivers {name}; nothing is removed where it was delivered."
        if not add and not await confirm(f"Take {name} out of {export}?", words, action="Take out"):
            return

        def act(workspace: Workspace) -> Any:
            return change_segments(workspace, export, name, add=add)

        said = f"{export} delivers it from now on." if add else f"{export} delivers it no more."
        if (await visit.do(Permission.EDIT, act, said=said)).ok:
            await load()

    def _lists(found: list[tuple[str, bool]]) -> None:
        for contains, title, nothing in (
            (True, "Exports that contain it", "No export contains it."),
            (False, "Exports that do not", "Every export contains it, or there is none."),
        ):
            with card(title):
                names = [export for export, inside in found if inside is contains]
                if not names:
                    text(nothing, tag="p").classes("m-muted")
                for export in names:
                    _line(export, contains)

    def _line(export: str, contains: bool) -> None:
        with Element("div").classes("m-line m-line--still"):
            link(path_to("exports", export), export)
            Element("span").classes("m-grow")
            if visit.allows(Permission.EDIT):
                words, icon_name = ("Take out", "remove") if contains else ("Add to it", "add")
                act = partial(change, export, add=not contains)
                made = button(words, act, icon_name=icon_name, kind="quiet")
                made.props["aria-label"] = f"{words}: {export}"

    await load()
