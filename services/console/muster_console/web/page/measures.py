"""Measures: aggregates with a name, listed, made, changed and deleted."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.building import (
    MeasureBuilding,
    open_measure_building,
    save_measure_text,
)
from muster_console.operation.measure import (
    MeasureView,
    delete_measure,
    list_measures,
    show_measure,
)
from muster_console.operation.workspace import Workspace
from muster_console.web.builder.blank import measurable
from muster_console.web.builder.choice import Choices
from muster_console.web.builder.draft import Draft
from muster_console.web.builder.spelling import plain_of, yaml_of
from muster_console.web.builder.word import FUNCTIONS
from muster_console.web.component.dialog import confirm
from muster_console.web.component.markup import (
    button,
    card,
    empty,
    facts,
    link,
    path_to,
    text,
)
from muster_console.web.component.meeting import meet
from muster_console.web.component.table import Column, DataTable, Figure
from muster_console.web.editor.field import write
from muster_console.web.editor.insight import values_with
from muster_console.web.editor.side import problem_card, yaml_card
from muster_console.web.editor.state import Editor
from muster_console.web.editor.tree import Tree
from muster_console.web.frame import heading
from muster_console.web.leaving import Unsaved
from muster_console.web.live import Live, redraw
from muster_console.web.page.catalog import no_catalog
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.errors import ChangedMeanwhile, Conflict
from muster_core.rules.check import Known
from muster_core.security.role import Permission
from muster_core.storage.measure import MeasureRecord

_COLUMNS = (
    Column(name="name", label="Name", kind="link", href="/measures/{name}", search=True),
    Column(name="title", label="Display name", search=True),
    Column(name="what", label="What it is"),
    Column(name="table", label="Table", filter=True),
    Column(name="rev", label="Revision", kind="number"),
    Column(name="updated_at", label="Changed", kind="instant"),
)
_STYLE = '<link rel="stylesheet" href="/asset/builder.css">'


@page("/measures", permission=Permission.VIEW, title="Measures")
async def measures(visit: Visit) -> None:
    """Build the list."""
    lead = "Aggregates with a name, which rules compare, rank and hold against each other."
    with heading("Measures", lead=lead):
        if visit.allows(Permission.EDIT):
            made = button("New measure", icon_name="add", kind="main")
            made.on("click", lambda: ui.navigate.to("/new-measure"))
    parts: dict[str, Any] = {}

    def show(found: list[MeasureRecord]) -> None:
        if not found and "table" not in parts:
            if "empty" not in parts:
                words = "A measure is one aggregate that many segments may use."
                parts["empty"] = empty("No measures yet", words, icon_name="functions")
            return
        if "empty" in parts:
            parts.pop("empty").delete()
        if "table" not in parts:
            parts["table"] = DataTable(
                _COLUMNS,
                row_key="name",
                caption="Measures",
                noun=("measure", "measures"),
                memory="measures",
                search="Search by name",
                sort_by="name",
            )
        parts["table"].set_rows([_row(record) for record in found])

    await Live(visit, list_measures, show, seconds=5.0).start()


def _row(record: MeasureRecord) -> dict[str, Any]:
    by = record.stored.get("by", {})
    aggregate = by.get("aggregate", {})
    function = FUNCTIONS.get(aggregate.get("function", ""), "")
    return {
        "name": record.name,
        "title": record.stored.get("display_name") or "",
        "what": f"{function} {aggregate.get('column') or ''}".strip(),
        "table": by.get("table", ""),
        "rev": record.rev,
        "updated_at": record.updated_at,
    }


@page("/measures/{measure}", permission=Permission.VIEW, title="Measure")
async def one_measure(visit: Visit, measure: str) -> None:
    """Build one measure."""
    name = measure
    found = await visit.load(lambda workspace: show_measure(workspace, name))
    ui.add_head_html(_STYLE)
    title = str(found.measure.stored.get("display_name") or name)
    lead = str(found.measure.stored.get("description") or "")
    with heading(title, lead=lead, back=("/measures", "Measures")):
        if visit.allows(Permission.EDIT):
            button("Delete", partial(_delete, visit, found), icon_name="delete", kind="danger")
            edit = button("Edit", icon_name="edit", kind="main")
            edit.on("click", lambda: ui.navigate.to(path_to("measures", name, "edit")))
    with card():
        facts(
            [
                ("Name", name),
                ("Revision", found.measure.rev),
                ("Changed", lambda: Figure(found.measure.updated_at, "instant")),
                ("Used by", lambda: _users(found.segments)),
            ]
        )
    document = found.measure.document
    with card("Definition"):
        words = yaml_of(plain_of(document)) if document else json.dumps(found.measure.stored)
        text(words, tag="pre").classes("m-code")


def _users(segments: list[str]) -> None:
    if not segments:
        text("nothing")
    with Element("span").classes("m-tags"):
        for name in segments:
            link(path_to("segments", name), name)


async def _delete(visit: Visit, found: MeasureView) -> None:
    name = found.measure.name
    words = "Segments that use it keep it from being deleted."
    if not await confirm(f"Delete the measure {name}?", words, action="Delete", bad=True):
        return
    outcome = await visit.do(Permission.EDIT, lambda workspace: delete_measure(workspace, name))
    if outcome.ok:
        ui.navigate.to("/measures")


@page("/new-measure", permission=Permission.EDIT, title="New measure", section="measures")
async def new_measure(visit: Visit) -> None:
    """Build the builder of a measure that does not exist yet."""
    try:
        ground = await visit.load(open_measure_building)
    except Conflict as exc:
        with heading("New measure", back=("/measures", "Measures")):
            pass
        no_catalog(visit, exc)
        return
    choices = Choices(ground.catalog)
    table = choices.tables[0].name if choices.tables else ""
    _builder(visit, ground, {"name": "new_measure", "by": measurable(table)})


@page(
    "/measures/{measure}/edit", permission=Permission.EDIT, title="Edit measure", section="measures"
)
async def edit_measure(visit: Visit, measure: str) -> None:
    """Build the builder of a measure there is."""
    ground = await visit.load(lambda workspace: open_measure_building(workspace, measure))
    assert ground.document is not None
    _builder(visit, ground, plain_of(ground.document))


def _builder(visit: Visit, ground: MeasureBuilding, document: dict[str, Any]) -> None:
    ui.add_head_html(_STYLE)
    editor = Editor(
        visit=visit,
        draft=Draft(document=document),
        choices=Choices(ground.catalog),
        known=Known(),
        values=values_with(visit),
        rev=ground.rev,
        hidden=dict(ground.hidden),
    )
    editor.judge()
    new = ground.rev == 0
    unsaved = Unsaved()

    async def save() -> None:
        saved = yaml_of(editor.document)
        name = editor.document["name"]
        changed: list[ChangedMeanwhile] = []

        def write(workspace: Workspace) -> object:
            try:
                return save_measure_text(workspace, saved, rev=editor.rev)
            except ChangedMeanwhile as exc:
                if new:
                    raise
                changed.append(exc)
                return None

        outcome = await visit.do(Permission.EDIT, write)
        if changed:
            await decide(name, saved)
        elif outcome.ok:
            unsaved.tell(False)
            ui.navigate.to(path_to("measures", name))

    async def decide(name: str, mine: str) -> None:
        opened = await visit.do(Permission.EDIT, lambda w: open_measure_building(w, name))
        theirs = opened.value
        if theirs is None or theirs.document is None:
            return
        other = plain_of(theirs.document)
        chosen = await meet("measure", theirs=yaml_of(other), mine=mine)
        if chosen == "theirs":
            editor.rev = theirs.rev
            editor.hidden.update(theirs.hidden)
            editor.change("take theirs", other)
        elif chosen == "mine":
            editor.rev = theirs.rev
            await save()

    back = (
        ("/measures", "Measures")
        if new
        else (path_to("measures", document["name"]), document["name"])
    )
    with heading("New measure" if new else "Edit measure", back=back):
        undo = button(
            "",
            lambda: editor.take(editor.draft.undone()),
            icon_name="undo",
            label="Undo",
            kind="quiet",
        )
        redo = button(
            "",
            lambda: editor.take(editor.draft.redone()),
            icon_name="redo",
            label="Redo",
            kind="quiet",
        )
        keep = button("Save", save, icon_name="save", kind="main").classes("m-save")

    def show() -> None:
        undo.set_enabled(bool(editor.draft.past))
        redo.set_enabled(bool(editor.draft.future))
        keep.set_enabled(editor.judgement.fine)
        unsaved.tell(editor.document != document)

    editor.on_text(show)
    with Element("div").classes("m-builder"):
        with Element("div").classes("m-stack"):
            with card():
                _names(editor, new=new)
            with card("What it measures"):
                Tree(editor)
        with Element("aside").classes("m-stack m-beside") as beside:
            beside.props["aria-label"] = "Problems and text"
            problem_card(editor)
            yaml_card(editor)
    show()


def _names(editor: Editor, *, new: bool) -> None:
    """Put what the measure is called; it follows undoing and the text, too."""
    part = Element("div").classes("m-fields")
    shown: list[dict[str, Any]] = []

    def named() -> dict[str, Any]:
        return {name: value for name, value in editor.document.items() if name != "by"}

    def put(name: str, value: str) -> None:
        editor.set_field("", name, value or None)

    def draw() -> None:
        shown[:] = [named()]
        if new:
            made = write("name", editor.document["name"], partial(put, "name"), most=100)
            made.props["hint"] = "small letters, digits and _; it stays"
        display = editor.document.get("display_name") or ""
        write("display name", display, partial(put, "display_name"), most=200)
        described = editor.document.get("description", "")
        write("description", described, partial(put, "description"), most=2_000, wide=True)

    def show() -> None:
        # typed here already, unless it was undone or came from elsewhere
        if shown != [named()]:
            redraw(part, draw)

    with part:
        draw()
    editor.on_shape(show)
