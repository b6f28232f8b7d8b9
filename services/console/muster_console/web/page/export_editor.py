"""Making and changing an export: by choosing, and as the document, which are always the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml
from nicegui import ui
from nicegui.element import Element

from muster_console.operation.catalog import show_catalog
from muster_console.operation.connection import list_connections
from muster_console.operation.export import (
    CheckedExport,
    apply_export_documents,
    check_export_documents,
    get_export,
)
from muster_console.operation.revision import revision_of
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace
from muster_console.web.builder.spelling import yaml_of
from muster_console.web.component.dialog import Field, put_field
from muster_console.web.component.markup import button, card, note, path_to, row, stack, text
from muster_console.web.component.meeting import meet
from muster_console.web.component.table import Figure
from muster_console.web.editor.timing import MORNING, Times, own_times
from muster_console.web.frame import heading
from muster_console.web.leaving import Unsaved
from muster_console.web.live import redraw
from muster_console.web.page.export import document_text
from muster_console.web.page.export_column import ColumnFields, chosen_columns, column_of
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import Trouble, explain_error, placed_line
from muster_core.documents.text import read_text
from muster_core.errors import ChangedMeanwhile, Conflict, InvalidInput, MusterError, Problem
from muster_core.exports.document import ExportCron, Format, Mode, parse_export
from muster_core.security.role import Permission

_USUAL, _FOLDER, _CRON = "(usual)", "(a folder)", "(own times)"
#: Where the times of an export are meant that names no zone.
_USUAL_ZONE = str(ExportCron.model_fields["timezone"].default)
_SCHEDULES = {
    "after_refresh": "after each refresh",
    "manual": "by hand",
    _CRON: "at times of its own",
}


#: Fields that hold a text, and those that hold one or fields of their own.
_TEXTS = ("name", "description", "format", "mode")
_TEXTS_OR_MORE = ("connection", "schedule")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices:
    connections: Sequence[str]
    segments: Sequence[str]
    columns: Sequence[str]
    #: The zone of the data, in which times of its own are meant at first.
    zone: str


@page("/exports/new", permission=Permission.EDIT, title="New export")
async def new_export(visit: Visit) -> None:
    """Build the form of a new export."""
    data: dict[str, Any] = {"name": "", "connection": "", "segments": visit.every("segment")}
    await _Editor(visit, data, rev=0).build("New export", back=("/exports", "Exports"))


@page("/exports/{export}/edit", permission=Permission.EDIT, title="Edit export")
async def edit_export(visit: Visit, export: str) -> None:
    """Build the form of an export there is."""
    stored = await visit.load(lambda w: get_export(w, export))
    data = yaml.safe_load(document_text(stored))
    editor = _Editor(visit, data, rev=revision_of(stored.updated_at))
    await editor.build(f"Edit {export}", back=(path_to("exports", export), export))


class _Editor:
    """The form and the document; `data` is the document, `rev` the revision it is based on, 0 for a new one."""

    def __init__(self, visit: Visit, data: dict[str, Any], *, rev: int) -> None:
        self._visit = visit
        self._data = data
        self._rev = rev
        self._saved = yaml_of(data)
        self._unsaved = Unsaved()
        self._inputs: dict[str, Any] = {}
        self._filling = False

    async def build(self, title: str, *, back: tuple[str, str]) -> None:
        """Put everything."""
        choices = await self._visit.load(_choices)
        self._zone = choices.zone
        ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
        with heading(title, back=back):
            button("Check", self._check, icon_name="fact_check")
            button("Save", self._save, icon_name="save", kind="main").classes("m-save")
        self._said = stack()
        self._said.props["role"] = "status"
        with ui.element("div").classes("m-grid"):
            with card("By choosing"):
                self._fields(choices)
            with card("As the document"):
                self._text = put_field(
                    Field(name="document", label="YAML or JSON", kind="area", rows=18)
                )
                self._text.on("blur", self._read_text)
        self._fill()

    def _fields(self, choices: _Choices) -> None:
        connections = {name: name for name in choices.connections}
        connections[_FOLDER] = "a folder on this machine"
        for field in (
            Field(name="name", label="Name", hint="fixed once saved"),
            Field(name="description", label="Description"),
            Field(name="connection", label="Connection", kind="choice", choices=connections),
            Field(name="path", label="Folder", hint="an absolute path"),
            Field(name="segments", label="Segments", kind="choices", choices=choices.segments),
            Field(
                name="suppress",
                label="Never send members of",
                kind="choices",
                choices=choices.segments,
            ),
            Field(
                name="holdout",
                label="Share of all customers never sent, %",
                hint="empty: nobody; always the same customers",
            ),
            Field(name="columns", label="Columns", kind="choices", choices=choices.columns),
            Field(
                name="format",
                label="Format",
                kind="choice",
                choices=[form.value for form in Format],
            ),
            Field(
                name="mode",
                label="What is told",
                kind="choice",
                choices={_USUAL: "what is usual there", **{m.value: m.value for m in Mode}},
            ),
            Field(name="schedule", label="When", kind="choice", choices=_SCHEDULES),
            Field(name="active", label="Active", kind="yes"),
        ):
            made = put_field(field)
            made.on_value_change(lambda _: self._chosen())
            self._inputs[field.name] = made
            if field.name == "columns":
                self._columns = ColumnFields(self._write_text)
            if field.name == "schedule":
                self._own = Element("div").classes("m-names")
                with self._own:
                    self._times = Times(
                        lambda: own_times(self._data), self._take_times, lambda: _USUAL_ZONE
                    )
        if self._rev:
            self._inputs["name"].disable()

    def _write_text(self) -> None:
        # numbers are kept as they were written: a plain dump refuses decimals
        self._text.value = yaml_of(self._data)
        self._unsaved.tell(self._text.value != self._saved)

    def _fill(self) -> None:
        """Bring form and text to what the document says."""
        data, given = self._data, self._inputs
        self._filling = True
        connection = data.get("connection", "")
        named = isinstance(connection, str)
        schedule = data.get("schedule", "after_refresh")
        holdout = data.get("holdout")
        values = {
            "name": data.get("name", ""),
            "description": data.get("description", ""),
            "connection": (connection or None) if named else _FOLDER,
            "path": "" if named else connection.get("path", ""),
            "segments": list(data.get("segments") or []),
            "suppress": list(data.get("suppress") or []),
            "holdout": str(holdout.get("percent", "")) if isinstance(holdout, dict) else "",
            "columns": list(dict.fromkeys(map(column_of, data.get("columns") or []))),
            "format": data.get("format", Format.CSV.value),
            "mode": data.get("mode") or _USUAL,
            "schedule": _CRON if isinstance(schedule, dict) else schedule,
            "active": data.get("active", True),
        }
        for name, value in values.items():
            _set(given[name], value)
        self._write_text()
        self._filling = False
        self._show_fitting()

    def _show_fitting(self) -> None:
        given = self._inputs
        given["path"].set_visibility(given["connection"].value == _FOLDER)
        self._own.set_visibility(given["schedule"].value == _CRON)
        self._times.show()
        self._columns.show(self._data.setdefault("columns", []))
        if not self._data["columns"]:
            del self._data["columns"]

    def _chosen(self) -> None:
        """Take over what was chosen into the document."""
        if self._filling:
            return
        given = {name: found.value for name, found in self._inputs.items()}
        data = self._data
        data["name"] = given["name"]
        data["connection"] = (
            {"kind": "folder", "path": given["path"] or ""}
            if given["connection"] == _FOLDER
            else given["connection"] or ""
        )
        data["segments"] = list(given["segments"] or [])
        _put(data, "description", given["description"], "")
        columns = chosen_columns(data.get("columns") or [], list(given["columns"] or []))
        _put(data, "columns", columns, [])
        _put(data, "suppress", list(given["suppress"] or []), [])
        _put(data, "holdout", _holdout(data.get("holdout"), str(given["holdout"] or "")), None)
        _put(data, "format", given["format"], Format.CSV.value)
        _put(data, "mode", given["mode"], _USUAL)
        schedule = given["schedule"]
        if schedule == _CRON:
            schedule = own_times(data) or {"cron": MORNING, "timezone": self._zone}
        _put(data, "schedule", schedule, "after_refresh")
        _put(data, "active", bool(given["active"]), True)
        self._write_text()
        self._show_fitting()

    def _take_times(self, own: dict[str, Any]) -> None:
        self._data["schedule"] = own
        self._write_text()

    def _read_text(self) -> bool:
        """Take over what was written into the form; tell whether it could be read."""
        try:
            found = read_text(self._text.value or "", file="document")
            if len(found) != 1 or not isinstance(found[0].data, dict):
                raise InvalidInput([Problem(message="this is not one export")])
            name = self._data["name"]
            if self._rev and found[0].data.get("name") != name:
                raise Conflict(f"The name {name} is fixed.", hint="Make another export instead.")
            if not _can_be_shown(found[0].data):
                parse_export(found[0].data)
        except MusterError as exc:
            self._tell(explain_error(exc))
            return False
        self._data = found[0].data
        self._said.clear()
        self._fill()
        return True

    async def _check(self) -> None:
        if not self._read_text():
            return
        outcome = await self._visit.do(
            Permission.EDIT,
            lambda w: check_export_documents(w, [parse_export(self._data)]),
        )
        if outcome.trouble is not None:
            self._tell(outcome.trouble)
        elif outcome.value:
            redraw(self._said, lambda: _checked(outcome.value[0] if outcome.value else None))

    async def _save(self) -> None:
        if not self._read_text():
            return
        name = str(self._data.get("name", ""))
        changed: list[ChangedMeanwhile] = []

        def save(workspace: Workspace) -> None:
            document = parse_export(self._data)
            try:
                apply_export_documents(workspace, [document], expected={name: self._rev})
            except ChangedMeanwhile as exc:
                if not self._rev:
                    raise
                changed.append(exc)

        outcome = await self._visit.do(Permission.EDIT, save)
        if changed:
            await self._meet(name)
        elif outcome.trouble is not None:
            self._tell(outcome.trouble)
        else:
            self._visit.tell(f"{name} is saved.")
            self._unsaved.tell(False)
            ui.navigate.to(path_to("exports", name))

    async def _meet(self, name: str) -> None:
        """Somebody else saved meanwhile: show both, and let people decide."""
        outcome = await self._visit.do(Permission.EDIT, lambda w: get_export(w, name))
        if outcome.value is None:
            return
        theirs = yaml.safe_load(document_text(outcome.value))
        chosen = await meet("export", theirs=yaml_of(theirs), mine=yaml_of(self._data))
        if chosen == "stay":
            return
        self._rev = revision_of(outcome.value.updated_at)
        if chosen == "mine":
            await self._save()
        else:
            self._data, self._saved = theirs, yaml_of(theirs)
            self._said.clear()
            self._fill()

    def _tell(self, trouble: Trouble) -> None:
        def words() -> None:
            if not trouble.problems:
                note(trouble.line, bad=True)
            for problem in trouble.problems[:20]:
                note(placed_line(problem), bad=True)

        redraw(self._said, words)


def _checked(found: CheckedExport | None) -> None:
    if found is None:
        return
    for problem in found.problems:
        note(placed_line(problem), bad=True)
    if not found.problems:
        note("Nothing keeps this export from being delivered.")
    with row():
        for size in found.segments:
            with ui.element("span").classes("m-chip"):
                text(f"{size.segment}: ")
                Figure(size.members)
                text(" rows" if size.members is not None else " (never refreshed)")


def _choices(workspace: Workspace) -> _Choices:
    try:
        catalog = show_catalog(workspace)
        columns, zone = list(catalog.profile.columns), catalog.timezone
    except Conflict:
        # no catalog yet: saving says so
        columns, zone = [], _USUAL_ZONE
    return _Choices(
        connections=[stored.name for stored in list_connections(workspace)],
        segments=[line.name for line in list_segments(workspace)],
        columns=columns,
        zone=zone,
    )


def _can_be_shown(data: Mapping[str, Any]) -> bool:
    """Tell whether every field holds what the form has a place for; it need not be right, nor be there."""
    lists = [data.get(name) or [] for name in ("segments", "suppress", "columns")]
    return (
        all(isinstance(value, list) for value in lists)
        and all(isinstance(word, str) for value in lists[:2] for word in value)
        and all(isinstance(entry, str | dict) for entry in lists[2])
        and all(isinstance(data.get(name) or "", str) for name in _TEXTS)
        and all(isinstance(data.get(name) or "", str | dict) for name in _TEXTS_OR_MORE)
    )


def _holdout(before: Any, typed: str) -> dict[str, Any] | None:
    """Return the share that is left out; what is no number is kept as it is, and refused when it is checked."""
    words = typed.strip()
    if not words:
        return None
    percent: Any = words
    with suppress(ValueError):
        percent = float(words.replace(",", "."))
        percent = int(percent) if percent.is_integer() else percent
    return {**(before if isinstance(before, dict) else {}), "percent": percent}


def _put(data: dict[str, Any], name: str, value: Any, usual: Any) -> None:
    """Write a value; what is usual is left out."""
    if value in (usual, None):
        data.pop(name, None)
    else:
        data[name] = value


def _set(found: Any, value: Any) -> None:
    """Set a field; what a choice does not offer yet is offered then, for the document decides."""
    options = getattr(found, "options", None)
    if options is not None:
        for one in value if isinstance(value, list) else [value]:
            if one is not None and one not in options:
                if isinstance(options, dict):
                    options[one] = str(one)
                else:
                    options.append(one)
        found.update()
    found.value = value
