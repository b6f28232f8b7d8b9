"""The revisions of a segment's definition: who changed what when, how two differ, and back to a former one."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.life import Version, compare_versions, list_versions, roll_back
from muster_console.web.component.dialog import confirm
from muster_console.web.component.markup import button, card, row, text
from muster_console.web.component.table import Figure
from muster_console.web.live import redraw
from muster_console.web.page.segment import segment_frame
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission


@page("/segments/{name}/versions", permission=Permission.VIEW, title="Versions", section="segments")
async def segment_versions(visit: Visit, name: str) -> None:
    """Build the page."""
    await segment_frame(visit, name)
    found = await visit.load(lambda workspace: list_versions(workspace, name))
    with Element("div").classes("m-two"):
        with card("Revisions of the definition"):
            place: dict[str, Any] = {}
            with Element("ol").classes("m-revisions"):
                for index, version in enumerate(found):
                    _revision(visit, name, version, place, newest=index == 0)
        with card("What changed"):
            place["diff"] = Element("div").classes("m-stack")
            with place["diff"]:
                text("Choose a revision to see what it changed.", tag="p").classes("m-muted")
    if len(found) > 1:
        await _show(visit, name, found[0].revision.rev, place)


def _revision(
    visit: Visit, name: str, version: Version, place: dict[str, Any], *, newest: bool
) -> None:
    revision = version.revision
    rev = revision.rev
    with Element("li").classes("m-revision"):
        with row():
            text(f"Revision {rev}").classes("m-rule-name")
            if newest:
                text("in use").classes("m-tag")
            Figure(revision.at, "moment")
            text(revision.actor or "not known who").classes("m-muted")
        touched = ", ".join(dict.fromkeys(p.split("/")[1] for p in version.changed if p))
        text(f"changed {touched}" if touched else "the first one").classes("m-muted")
        with row():
            if rev > 1:
                button("What changed", partial(_show, visit, name, rev, place), kind="plain")
            if not newest and visit.allows(Permission.EDIT):
                button("Restore", partial(_restore, visit, name, rev), kind="quiet")


async def _show(visit: Visit, name: str, rev: int, place: dict[str, Any]) -> None:
    if rev < 2:
        return
    outcome = await visit.do(
        Permission.VIEW, lambda workspace: compare_versions(workspace, name, rev - 1, rev)
    )
    if outcome.value is None:
        return
    found = outcome.value

    def draw() -> None:
        text(f"Revision {found.after} against {found.before}", tag="h3").classes("m-rule-name")
        diff_lines(found.text)

    redraw(place["diff"], draw)


def diff_lines(words: str) -> None:
    """Put a unified difference, each line with its sign and, beside it, its colour."""
    with Element("pre").classes("m-code m-diff"):
        for line in words.splitlines():
            kind = {"+": "m-added", "-": "m-removed"}.get(line[:1], "")
            text(line + "\n").classes(kind)


async def _restore(visit: Visit, name: str, rev: int) -> None:
    words = "It becomes the newest revision; nothing of the history goes."
    if not await confirm(f"Go back to revision {rev}?", words, action="Restore"):
        return
    outcome = await visit.do(
        Permission.EDIT,
        lambda workspace: roll_back(workspace, name, rev),
        said=f"The definition is that of revision {rev} again.",
    )
    if outcome.ok:
        ui.navigate.reload()
