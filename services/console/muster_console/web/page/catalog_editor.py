"""Changing the catalog: tables by their path or connection, columns as they are found, keys by choosing, or as YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import yaml
from nicegui import ui
from nicegui.element import Element

from muster_console.operation.catalog import check_catalog_text, replace_catalog
from muster_console.operation.sourcing import CatalogDraft, find_source, open_catalog
from muster_console.web.builder.catalog import (
    Columns,
    add_relationship,
    add_table,
    is_catalog,
    mark_personal,
    offered_with,
    remove_table,
    rename_table,
    source_key,
    tables_of,
    typed,
)
from muster_console.web.component.dialog import Field, put_field
from muster_console.web.component.markup import button, card, note, row, stack, text
from muster_console.web.editor.field import choose, choose_column, write
from muster_console.web.frame import heading
from muster_console.web.leaving import Unsaved
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_console.web.words import Trouble, explain_error, placed_line
from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput, MusterError, Problem
from muster_core.lake.inspect import Inspection
from muster_core.security.role import Permission

_KINDS = {"parquet": "Parquet files", "postgres": "a PostgreSQL table"}
_LINKS = {"many_to_one": "many to one", "one_to_one": "at most one each"}


@page(
    "/edit-catalog", permission=Permission.ADMINISTER, title="Change the catalog", section="catalog"
)
async def edit_catalog(visit: Visit) -> None:
    """Build the form of the catalog."""
    ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
    _Editor(visit, await visit.load(open_catalog)).build()


class _Editor:
    """The form and the document, which are always the same; saved against the catalog it was opened on."""

    def __init__(self, visit: Visit, draft: CatalogDraft) -> None:
        self._visit = visit
        self._id = draft.id
        self._unsaved = Unsaved()
        self._first = ""
        self._data: dict[str, Any] = draft.document or {
            "profile": {"table": "customers", "key": "", "source": {"parquet": ""}}
        }
        #: The columns of the sources looked at so far, by source.
        self._known: dict[str, Columns] = {}
        for name, table in tables_of(self._data).items():
            if name in draft.columns:
                self._known[source_key(table)] = typed(draft.columns[name])

    def build(self) -> None:
        """Put everything."""
        lead = "One table with a row for each customer, and the tables around it."
        title = "Change the catalog" if self._id else "Your first data"
        with heading(title, lead=lead, back=("/catalog", "Catalog")):
            button("Check", self._check, icon_name="fact_check")
            button("Save", self._save, icon_name="save", kind="main").classes("m-save")
        self._said = stack()
        self._said.props["role"] = "status"
        with Element("div").classes("m-builder"):
            self._form = stack()
            with Element("aside").classes("m-stack"), card("As the document"):
                self._text = put_field(Field(name="document", label="YAML", kind="area", rows=24))
                self._text.on("blur", self._read_text)
        self._write_text()
        self._draw()

    # --- the form

    def _draw(self) -> None:
        def draw() -> None:
            profile = self._data["profile"]
            with card("Customers"):
                text("The table with one row for each customer.", tag="p").classes("m-muted")
                self._table(str(profile.get("table", "")), profile, is_profile=True)
            for name, table in list((self._data.get("tables") or {}).items()):
                with card(f"Table {name}"):
                    self._table(name, table, is_profile=False)
            button("Add a table", lambda: self._do(add_table), icon_name="add")
            with card("How tables refer to each other"):
                self._relationships()

        redraw(self._form, draw)

    def _table(self, name: str, table: dict[str, Any], *, is_profile: bool) -> None:
        columns = self._known.get(source_key(table))
        with Element("div").classes("m-fields"):
            write("name of the table", name, lambda typed: self._rename(name, typed.strip()))
            self._source(table)
        with row():
            button(
                "Read its columns",
                lambda: self._look(table),
                icon_name="search",
                label=f"Read the columns of {name}",
            )
            if not is_profile:
                button(
                    "Remove",
                    lambda: self._do(remove_table, name),
                    icon_name="delete",
                    kind="quiet",
                    label=f"Remove the table {name}",
                )
        if not columns:
            text("Its columns appear here once they are read.", tag="p").classes("m-muted")
            return
        with Element("ul").classes("m-chips").props('aria-label="Columns"'):
            for column, kind in columns.items():
                with Element("li").classes("m-chip"):
                    text(f"{column} · {kind}")
        with Element("div").classes("m-fields"):
            if is_profile:
                choose_column("key", columns, table.get("key", ""), self._put(table, "key"))
            else:
                self._several("row key", columns, table, "row_key")
                times = {column: kind for column, kind in columns.items() if kind.is_time}
                choose_column(
                    "time", times, table.get("time") or "", self._put(table, "time"), clearable=True
                )
            self._personal(columns, table)

    def _source(self, table: dict[str, Any]) -> None:
        source = table.setdefault("source", {})
        kind = "postgres" if "postgres" in source else "parquet"

        def turn(chosen: str) -> None:
            empty: dict[str, Any] = {"connection": "", "table": ""}
            table["source"] = {"parquet": ""} if chosen == "parquet" else {"postgres": empty}
            self._changed(anew=True)

        choose("where its rows are", _KINDS, kind, turn)
        if kind == "parquet":
            made = write(
                "file, folder or address",
                str(source.get("parquet", "")),
                self._put(source, "parquet", keep=True),
                wide=True,
            )
            made.classes("m-field--full")
            made.props["hint"] = "/data/orders.parquet, /data/orders, s3://…, abfs://…"
            return
        postgres = source["postgres"]
        connection = write(
            "connection",
            str(postgres.get("connection", "")),
            self._put(postgres, "connection", keep=True),
        )
        connection.props["hint"] = "SHOP for what MUSTER_SOURCE_SHOP_URL names"
        if "query" in postgres:
            write("query", postgres["query"], self._put(postgres, "query", keep=True), wide=True)
        else:
            write(
                "its table there",
                str(postgres.get("table", "")),
                self._put(postgres, "table", keep=True),
            )

    def _several(self, label: str, columns: Columns, table: dict[str, Any], name: str) -> None:
        made = put_field(
            Field(
                name=name,
                label=label,
                kind="choices",
                choices=offered_with(columns, table.get(name) or []),
                value=list(table.get(name) or []),
            )
        )
        made.classes("m-field m-field--wide")
        made.on_value_change(lambda e: self._put(table, name)(list(e.value or [])))

    def _personal(self, columns: Columns, table: dict[str, Any]) -> None:
        notes: dict[str, Any] = table.get("columns") or {}
        marked = [name for name, said in notes.items() if said.get("personal")]

        def take(chosen: list[str]) -> None:
            self._put(table, "columns")(mark_personal(table, chosen))

        made = put_field(
            Field(
                name="personal",
                label="personal columns",
                kind="choices",
                choices=offered_with(columns, marked),
                value=marked,
            )
        )
        made.classes("m-field m-field--wide")
        made.on_value_change(lambda e: take(list(e.value or [])))

    def _relationships(self) -> None:
        found: list[dict[str, Any]] = self._data.get("relationships") or []
        for number, link in enumerate(found):
            with Element("div").classes("m-fields"):
                write("name", str(link.get("name", "")), self._put(link, "name", keep=True))
                ends = self._ends([str(link.get("from", "")), str(link.get("to", ""))])
                for word in ("from", "to"):
                    choose(
                        word,
                        ends,
                        link.get(word) or None,
                        self._put(link, word, keep=True),
                        search=True,
                        wide=True,
                    )
                kind = link.get("kind", "many_to_one")
                choose("how many", _LINKS, kind, self._put(link, "kind"))
                button(
                    "",
                    partial(self._unlink, number),
                    icon_name="delete",
                    kind="quiet",
                    label=f"Remove the relationship {link.get('name', '')}",
                )
        if not found:
            text("A table is used once a relationship leads to the customers.", tag="p").classes(
                "m-muted"
            )
        button("Add a relationship", lambda: self._do(add_relationship), icon_name="add")

    def _ends(self, given: list[str]) -> dict[str, str]:
        known = {
            f"{name}.{column}": f"{name}.{column}"
            for name, table in tables_of(self._data).items()
            for column in self._known.get(source_key(table), {})
        }
        return known | {end: end for end in given if end}

    # --- changes

    def _put(self, part: dict[str, Any], name: str, *, keep: bool = False) -> Callable[[Any], None]:
        """Return what writes a value into a part of the document; what is empty is left out unless kept."""

        def take(value: Any) -> None:
            if value or keep:
                part[name] = value or ""
            else:
                part.pop(name, None)
            self._changed()

        return take

    def _changed(self, *, anew: bool = False) -> None:
        self._write_text()
        if anew:
            self._draw()

    def _do(self, change: Callable[..., None], *given: Any) -> None:
        change(self._data, *given)
        self._changed(anew=True)

    def _rename(self, old: str, new: str) -> None:
        if not new or new in tables_of(self._data):
            wrong = f"There is a table {new} already." if new else "A table needs a name."
            self._visit.tell(wrong, bad=True)
            return
        self._do(rename_table, old, new)

    def _unlink(self, number: int) -> None:
        self._data["relationships"].pop(number)
        self._changed(anew=True)

    async def _look(self, table: dict[str, Any]) -> None:
        source = json.loads(json.dumps(table.get("source") or {}))
        outcome = await self._visit.do(Permission.ADMINISTER, lambda w: find_source(w, source))
        if outcome.value is None:
            if outcome.trouble is not None:
                self._tell(outcome.trouble)
            return
        found = outcome.value
        self._known[json.dumps(source, sort_keys=True)] = typed(found.columns)
        lines = [
            f"{numerals().number(found.rows)} rows, {len(found.columns)} columns that can be used."
        ]
        lines += [
            f"The column {name} is left out: its type {kind} is not supported."
            for name, kind in found.left_out.items()
        ]

        def tell() -> None:
            for line in lines:
                note(line)

        redraw(self._said, tell)
        self._draw()

    # --- the document

    def _write_text(self) -> None:
        self._text.value = yaml.safe_dump(self._data, sort_keys=False, allow_unicode=True)
        self._written = self._text.value
        self._first = self._first or self._written
        self._unsaved.tell(self._written != self._first)

    def _read_text(self) -> bool:
        """Take over what was written into the form; tell whether it could be read."""
        if self._text.value == self._written:
            return True
        try:
            found = read_text(self._text.value or "", file="document")
            if len(found) != 1 or not is_catalog(found[0].data):
                raise InvalidInput([Problem(message="this is not one catalog with a profile")])
        except MusterError as exc:
            self._tell(explain_error(exc))
            return False
        self._data = found[0].data
        self._said.clear()
        self._changed(anew=True)
        return True

    async def _check(self) -> None:
        if not self._read_text():
            return
        written = str(self._text.value)
        outcome = await self._visit.do(Permission.ADMINISTER, lambda _: check_catalog_text(written))
        if outcome.trouble is not None:
            self._tell(outcome.trouble)
        elif outcome.value is not None:
            inspection = outcome.value
            redraw(self._said, lambda: _checked(inspection))

    async def _save(self) -> None:
        if not self._read_text():
            return
        written = str(self._text.value)
        outcome = await self._visit.do(
            Permission.ADMINISTER,
            lambda w: replace_catalog(w, written, self._id),
            said="The catalog is in use.",
        )
        if outcome.trouble is not None:
            self._tell(outcome.trouble)
        else:
            self._unsaved.tell(False)
            ui.navigate.to("/catalog")

    def _tell(self, trouble: Trouble) -> None:
        def words() -> None:
            if not trouble.problems:
                note(trouble.line, bad=True)
            for problem in trouble.problems[:20]:
                note(placed_line(problem), bad=True)

        redraw(self._said, words)


def _checked(found: Inspection) -> None:
    said = numerals()
    for problem in found.warnings:
        note(placed_line(problem))
    for table in found.tables:
        met = "".join(
            f", {said.percent(share)} find {name}" for name, share in table.coverage.items()
        )
        note(f"{table.name}: {said.number(table.rows)} rows{met}.")
    note("The catalog fits the data. Nothing was saved.")
