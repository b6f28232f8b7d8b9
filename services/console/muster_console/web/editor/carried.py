"""Columns that go with the members into lists and exports; they never change who is a member."""

from __future__ import annotations

from typing import Any

from nicegui.element import Element

from muster_console.web.builder.blank import UNCHOSEN
from muster_console.web.builder.tree import Plain, put, without
from muster_console.web.component.markup import button
from muster_console.web.editor.branch import Branches
from muster_console.web.editor.field import choose, choose_column, fields, hint, way, write
from muster_console.web.editor.line import Line
from muster_console.web.editor.state import Editor
from muster_console.web.live import redraw

_LIST = "/project"
_HINT = (
    "These go with the members into downloads and exports. "
    "Of a table with several rows for a customer all values are carried, the newest first."
)


class Carried:
    """The carried columns of an editor, each with its fields open; drawn anew when their shape changes."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._branches = Branches(editor)
        self._shown: tuple[Plain, str | None] = (None, None)
        self._root = Element("div").classes("m-rules")
        editor.on_shape(self._draw)
        editor.on_text(self._branches.refresh)
        redraw(self._root, self._all)
        self._branches.refresh()

    @property
    def _columns(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._editor.document.get("project", [])
        return found

    def _draw(self) -> None:
        opened = self._editor.open
        inside = opened if opened is not None and opened.startswith(f"{_LIST}/") else None
        if (self._columns, inside) == self._shown:
            return
        self._shown = (self._columns, inside)
        self._branches.forget()
        redraw(self._root, self._all)
        self._branches.refresh()

    def _all(self) -> None:
        hint(_HINT)
        for index in range(len(self._columns)):
            with Element("section").classes("m-rule") as part:
                part.props["aria-label"] = f"Carried column {index + 1}"
                self._one(index)
        with Element("div").classes("m-row"):
            button("Carry a column", self._add, icon_name="add")

    def _one(self, index: int) -> None:
        editor, pointer = self._editor, f"{_LIST}/{index}"
        data = editor.at(pointer)
        table, via = data.get("table") or "", data.get("via", [])
        with fields():
            tables = {table.name: table.name for table in editor.choices.tables}
            choose(
                "of",
                {"": "the customer", **tables},
                table,
                lambda chosen: self._turn(pointer, chosen or ""),
                search=True,
            )
            known = editor.choices.table(table)
            if known is not None and len(known.ways) > 1:
                way(
                    "way to the customers",
                    known.ways,
                    via,
                    lambda names: editor.set_field(pointer, "via", names or None, shape=True),
                )
            choose_column(
                "carried column",
                editor.choices.outputs(table, via),
                data["column"],
                lambda name: self._choose(pointer, name),
            )
            write(
                "called",
                data.get("as") or "",
                lambda name: editor.set_field(pointer, "as", name.strip(), absent=""),
                most=63,
            ).props["hint"] = "letters, digits and _" if table else "empty: as the column is called"
            button(
                "",
                lambda: self._remove(pointer),
                icon_name="delete",
                label=f"Do not carry column {index + 1}",
                kind="quiet",
            )
        self._branches.lines[pointer] = Line()
        if table:
            self._branches.row_parts(data, pointer)

    # --- doing

    def _add(self) -> None:
        fresh = [*self._columns, {"column": UNCHOSEN}]
        self._editor.change("carry a column", put(self._editor.document, _LIST, fresh))

    def _remove(self, pointer: str) -> None:
        document = without(self._editor.document, pointer)
        empty = not document["project"]
        self._editor.change("do not carry", without(document, _LIST) if empty else document)

    def _turn(self, pointer: str, table: str) -> None:
        """Carry a column of another table: what was chosen of the last one is not there."""
        fresh = {"table": table, "column": UNCHOSEN} if table else {"column": UNCHOSEN}
        self._editor.change("field", put(self._editor.document, pointer, fresh))

    def _choose(self, pointer: str, column: str) -> None:
        """Take a column, and a name for it unless people gave one."""
        choices, data = self._editor.choices, self._editor.at(pointer)
        table = data.get("table") or ""
        given = data.get("as")
        if given in (None, choices.output_name(table, data["column"])):
            given = choices.output_name(table, column) if column else None
        self._editor.set_fields(pointer, {"column": column, "as": given}, shape=True)
