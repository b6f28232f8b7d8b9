"""A quick segment: one column, one comparison, with what the column holds and the size before anything is saved."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.building import save_text
from muster_console.operation.portrait import Portrait, portray_catalog
from muster_console.operation.quick import Choices, Quick, quick_choices, quick_segment
from muster_console.operation.workspace import Workspace
from muster_console.web.builder.reading import text_of, value_of, values_of
from muster_console.web.builder.spelling import yaml_of
from muster_console.web.builder.word import compare_words, type_words
from muster_console.web.component.markup import button, card, note, path_to, row, stack, text
from muster_console.web.component.spread import spread
from muster_console.web.editor.field import choose, write
from muster_console.web.frame import heading
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_console.web.page.catalog import no_catalog
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.catalog.type import parse_type
from muster_core.errors import Conflict, MusterError
from muster_core.security.role import Permission

_ALONE = ("is_set", "is_not_set", "is_true", "is_false")


@page("/quick-segment", permission=Permission.EDIT, title="Quick segment", section="segments")
async def quick(visit: Visit) -> None:
    """Build the page."""
    ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
    lead = "Pick a table, a column and a value; see at once how many customers that are."
    with heading("Quick segment", lead=lead, back=("/segments", "Segments")):
        pass
    try:
        found = await visit.load(portray_catalog)
    except Conflict as exc:
        no_catalog(visit, exc)
        return
    picked = _Quick(visit, found, visit.query.get("table", ""))
    picked.build()
    await picked.begin(visit.query.get("column", ""))


class _Quick:
    """What has been picked so far."""

    def __init__(self, visit: Visit, found: Portrait, table: str) -> None:
        self._visit, self._found = visit, found
        known = found.catalog.table(table) or found.catalog.profile
        self._table = known.name
        self._column = ""
        self._compare = ""
        self._values: list[Any] = []
        self._name = ""
        self._choices: Choices | None = None
        self._asked = 0

    def build(self) -> None:
        """Put the page."""
        if self._found.snapshot is None:
            note("Nothing has been prepared yet: refresh a segment once, and values appear here.")
        with Element("div").classes("m-two"):
            with stack():
                with card("Who"):
                    tables = {table.name: table.name for table in self._found.tables}
                    with Element("div").classes("m-fields"):
                        choose("table", tables, self._table, self._took_table, search=True)
                        self._column_place = Element("div").classes("m-fields")
                    self._test_place = stack()
                with card("How many"):
                    self._size_place = stack()
            with card("What the column holds"):
                self._spread_place = stack()
        self._draw_columns()
        self._draw_spread()
        self._draw_size(None)

    async def begin(self, column: str) -> None:
        """Take the column the page was called with, where there is one."""
        known = self._found.catalog.table(self._table)
        if known is not None and column in known.columns:
            await self._took_column(column)
            self._draw_columns()

    def _took_table(self, name: str | None) -> None:
        self._table, self._column, self._choices, self._values = name or "", "", None, []
        self._draw_columns()
        self._draw_spread()
        self._draw_test()
        self._draw_size(None)

    def _draw_columns(self) -> None:
        known = self._found.catalog.table(self._table)
        columns = known.columns if known else {}
        options = {n: f"{n} · {type_words(parse_type(kind))}" for n, kind in columns.items()}

        async def took(name: str | None) -> None:
            await self._took_column(name or "")

        def draw() -> None:
            choose("column", options, self._column, took, search=True, wide=True)

        redraw(self._column_place, draw)

    async def _took_column(self, name: str) -> None:
        self._column, self._values, self._choices = name, [], None
        if not name:
            return
        outcome = await self._visit.do(
            Permission.VIEW, lambda w: quick_choices(w, self._table, name)
        )
        self._choices = outcome.value
        self._compare = self._choices.compares[0] if self._choices else "is_set"
        self._draw_spread()
        self._draw_test()
        await self._count()

    def _draw_spread(self) -> None:
        def draw() -> None:
            if self._choices is None:
                text("Choose a column.", tag="p").classes("m-muted")
                return
            spread(self._choices.column, choose=self._picked)

        redraw(self._spread_place, draw)

    async def _picked(self, value: Any) -> None:
        """Take a value that was clicked."""
        kept = value.isoformat() if hasattr(value, "isoformat") else value
        if self._compare in ("in", "not_in"):
            others = [v for v in self._values if v != kept]
            self._values = others if kept in self._values else [*others, kept]
        elif self._compare in ("between", "not_between"):
            self._values = [*self._values[-1:], kept]
        else:
            if self._compare in _ALONE and self._choices is not None:
                self._compare = self._choices.compares[0]
            self._values = [] if self._compare in _ALONE else [kept]
        self._draw_test()
        await self._count()

    def _draw_test(self) -> None:
        def draw() -> None:
            if self._choices is None:
                return
            kind = parse_type(self._choices.column.type)
            offered = {name: compare_words(name, kind) for name in self._choices.compares}

            async def turn(compare: str) -> None:
                self._compare = compare
                if compare in _ALONE:
                    self._values = []
                elif compare not in ("in", "not_in", "between"):
                    self._values = self._values[:1]
                self._draw_test()
                await self._count()

            async def took(typed: str) -> None:
                several = self._compare in ("in", "not_in", "between")
                self._values = values_of(typed, kind) if several else [value_of(typed, kind)]
                await self._count()

            with Element("div").classes("m-fields"):
                choose("comparison", offered, self._compare, turn)
                if self._compare not in _ALONE:
                    shown = ", ".join(text_of(value) for value in self._values)
                    write("value", shown, took, wide=True)

        redraw(self._test_place, draw)

    async def _count(self) -> None:
        self._asked += 1
        number = self._asked
        if not self._column or (self._compare not in _ALONE and not self._values):
            self._draw_size(None)
            return
        self._draw_size(None, busy=True)

        def read(workspace: Workspace) -> Quick:
            return quick_segment(
                workspace,
                self._table,
                self._column,
                self._values,
                compare=self._compare,
                name="quick_segment",
            )

        try:
            found = await self._visit.load(read)
        except MusterError as exc:
            if number == self._asked:
                self._draw_size(None, wrong=f"{exc.message} {exc.hint or ''}")
            return
        if number == self._asked:
            self._draw_size(found)

    def _draw_size(self, found: Quick | None, *, busy: bool = False, wrong: str = "") -> None:
        def draw() -> None:
            if wrong:
                note(wrong, bad=True)
            elif busy:
                with row():
                    ui.spinner(size="18px").props["aria-hidden"] = "true"
                    text("Counting…").classes("m-muted")
            elif found is None:
                text("Pick a value, and the size appears here.", tag="p").classes("m-muted")
            else:
                self._size(found)

        redraw(self._size_place, draw)

    def _size(self, found: Quick) -> None:
        members, said = found.preview.members, numerals()
        about = "" if found.preview.exact else "about "
        text(f"{about}{said.number(members.count)}").classes("m-big")
        share = f"{said.number(found.preview.percent)} % of {said.number(found.preview.customers)} customers"
        text(share, tag="p").classes("m-muted")
        if not found.preview.exact:
            low, high = said.number(members.low), said.number(members.high)
            text(f"{low} to {high} with 95 %", tag="p").classes("m-muted")
        name = write("name of the segment", self._name, self._named, most=100, wide=True)
        name.props["hint"] = "small letters, digits and _"
        with row():
            button("Save", lambda: self._save(found), icon_name="save", kind="main").classes(
                "m-save"
            )

    def _named(self, name: str) -> None:
        self._name = name

    async def _save(self, found: Quick) -> None:
        document = {**found.document, "name": self._name.strip()}

        def save(workspace: Workspace) -> Any:
            return save_text(workspace, yaml_of(document), rev=0)

        outcome = await self._visit.do(Permission.EDIT, save, said="The segment is saved.")
        if outcome.ok:
            ui.navigate.to(path_to("segments", document["name"]))
