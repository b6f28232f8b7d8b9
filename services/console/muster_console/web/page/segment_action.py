"""What can be done with one segment from its page: refresh, activate, copy, rename, delete."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from muster_console.operation.action import Action, Options
from muster_console.operation.action import act as act_on
from muster_console.operation.life import duplicate_segment
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.result import SegmentResult
from muster_console.operation.segment import SegmentView
from muster_console.web.component.dialog import Field, ask, confirm
from muster_console.web.component.markup import button, path_to
from muster_console.web.page.chosen import act_on_rows, offered
from muster_console.web.visit import Visit, tell
from muster_core.security.role import Permission


def segment_actions(visit: Visit, found: SegmentView) -> None:
    """Put the buttons; they are for people who may edit."""
    name, state = found.segment.name, found.segment.state

    async def act(action: Action, options: Options, said: str) -> None:
        outcome = await visit.do(Permission.EDIT, lambda w: act_on(w, action, [name], options))
        if outcome.value is not None:
            _tell(outcome.value[0], said)

    async def refresh() -> None:
        await visit.do(
            Permission.EDIT,
            lambda w: refresh_segments(w, [name]),
            said="A refresh was asked for; it shows below.",
        )

    async def by_itself() -> None:
        """Do nothing: the overview looks again, and a page loaded anew would lose what was told."""

    if state == "active":
        button("Refresh", refresh, icon_name="refresh")
    else:
        activate = partial(act, Action.ACTIVATE, Options(), "It is active now.")
        button("Activate", activate, icon_name="toggle_on")
    edit = button("Edit", icon_name="edit", kind="main")
    edit.on("click", lambda: ui.navigate.to(path_to("segments", name, "edit")))
    with (
        button("", icon_name="more_vert", label="More to do", kind="quiet"),
        ui.menu().classes("m-menu"),
    ):
        if state == "active":
            off = partial(act, Action.DEACTIVATE, Options(), "It is inactive now.")
            ui.menu_item("Deactivate", off)
        ui.menu_item("Duplicate", partial(_duplicate, visit, name))
        ui.menu_item("Rename", partial(_rename, visit, found))
        for offer in offered(visit):
            if _fits(offer.name, found):
                ui.menu_item(
                    offer.label, partial(act_on_rows, visit, offer.name, [name], by_itself)
                )
        ui.menu_item("Delete", partial(_delete, visit, name))


def _fits(offer: str, found: SegmentView) -> bool:
    """Whether something the list offers is offered for this segment, too, beside what has a place of its own."""
    line = found.segment
    match offer:
        case "tag" | "schedule" | "export":
            return True
        case "static":
            return line.type == "dynamic"
        case "dynamic":
            return line.type == "static"
        case "exempt":
            return line.auto_cleanup
        case "clean":
            return not line.auto_cleanup
    return False


def _tell(result: SegmentResult, said: str) -> None:
    if result.refused:
        tell(result.message or "It was refused.", bad=True)
        return
    tell(said)
    for warning in result.warnings:
        tell(f"Mind: {warning.message}")
    ui.navigate.reload()


def _duplicate(visit: Visit, name: str) -> None:
    async def submit(given: dict[str, Any]) -> Any:
        new = str(given["name"])
        outcome = await visit.do(
            Permission.EDIT, lambda w: duplicate_segment(w, name, new, state="draft")
        )
        if outcome.ok:
            ui.navigate.to(path_to("segments", new, "edit"))
        return outcome

    fields = [Field(name="name", label="Name of the copy", value=f"{name}_copy")]
    lead = "The copy is a draft, which opens in the builder."
    ask(f"Duplicate {name}", fields, submit, action="Duplicate", lead=lead)


def _rename(visit: Visit, found: SegmentView) -> None:
    name = found.segment.name

    async def submit(given: dict[str, Any]) -> Any:
        options = Options(display_name=str(given["display_name"]) or None)
        outcome = await visit.do(
            Permission.EDIT, lambda w: act_on(w, Action.RENAME, [name], options)
        )
        if outcome.value is not None:
            _tell(outcome.value[0], "It is renamed.")
        return outcome

    field = Field(name="display_name", label="Display name", value=found.segment.display_name)
    ask(f"Rename {name}", [field], submit, lead="The name itself is fixed.")


async def _delete(visit: Visit, name: str) -> None:
    words = "It can be restored for 30 days. What uses it keeps it from being deleted."
    if not await confirm(f"Delete {name}?", words, action="Delete", bad=True):
        return
    outcome = await visit.do(Permission.EDIT, lambda w: act_on(w, Action.DELETE, [name], Options()))
    if outcome.value is None:
        return
    if outcome.value[0].refused:
        tell(outcome.value[0].message or "It was refused.", bad=True)
    else:
        ui.navigate.to("/segments")
