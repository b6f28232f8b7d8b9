"""The catalog: tables, how they refer to each other, how fresh they are, and what every column holds."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from muster_console.operation.building import save_text
from muster_console.operation.portrait import Portrait, TablePortrait, portray_catalog
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.statistic import TableSummary, table_statistics
from muster_console.operation.workspace import Workspace
from muster_console.web.builder.spelling import yaml_of
from muster_console.web.builder.word import type_words
from muster_console.web.component.markup import (
    button,
    card,
    empty,
    facts,
    note,
    path_to,
    stack,
    text,
)
from muster_console.web.component.relation import relation_picture
from muster_console.web.component.spread import spread
from muster_console.web.component.table import Action, Column, DataTable, Figure, row_actions
from muster_console.web.frame import heading
from muster_console.web.live import redraw
from muster_console.web.numeral import numerals
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.catalog.document import Catalog
from muster_core.catalog.summary import ColumnSummary
from muster_core.catalog.type import parse_type
from muster_core.clock import utc_now
from muster_core.errors import ChangedMeanwhile, Conflict, NotFound
from muster_core.security.role import Permission

_TABLES = (
    Column(name="name", label="Table", kind="link", href="/catalog/{name}", search=True),
    Column(name="part", label="Part"),
    Column(name="rows", label="Rows", kind="number"),
    Column(name="columns", label="Columns", kind="number"),
    Column(name="newest", label="Newest row", kind="instant"),
    Column(name="fresh", label="Freshness", kind="status"),
    Column(name="source", label="Source"),
)
#: What a new installation begins with.
_EVERYBODY: dict[str, Any] = {
    "name": "all_customers",
    "display_name": "All customers",
    "rules": [{"where": {"kind": "everyone"}}],
}
_SHOW = Action(name="show", label="What it holds", icon="bar_chart")
_COLUMNS = (
    Column(name="name", label="Column", search=True),
    Column(name="type", label="Type", filter=True),
    Column(name="note", label="Notes"),
    Column(name="missing", label="Missing, %", kind="number"),
    Column(name="distinct", label="Different", kind="number"),
    Column(name="actions", label="", kind="actions"),
)


@page("/catalog", permission=Permission.VIEW, title="Catalog")
async def catalog(visit: Visit) -> None:
    """Build the overview."""
    ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
    with heading(
        "Catalog", lead="What the data is: one profile of customers and the tables around it."
    ):
        if visit.allows(Permission.ADMINISTER):
            button("Change it", lambda: ui.navigate.to("/edit-catalog"), icon_name="edit")
    try:
        found = await visit.load(portray_catalog)
    except Conflict as exc:
        no_catalog(visit, exc)
        return
    _facts(visit, found)
    with card("Tables"):
        DataTable(
            _TABLES,
            [_table_row(table) for table in found.tables],
            row_key="name",
            caption="Tables",
            noun=("table", "tables"),
            search="Search by name",
        )
    with card("Relationships"):
        relation_picture(found.catalog)
        with Element("ul").classes("m-times"):
            for relationship in found.catalog.relationships:
                kind = "at most one each" if relationship.kind == "one_to_one" else "many to one"
                with Element("li"):
                    text(relationship.name).classes("m-rule-name")
                    text(f" {relationship.from_} → {relationship.to} ({kind})")
        if not found.catalog.relationships:
            text("There is only the profile.", tag="p").classes("m-muted")


def no_catalog(visit: Visit, exc: Conflict) -> None:
    """Say that nothing is known of the data yet, and lead administrators to where that is told."""
    may = visit.allows(Permission.ADMINISTER)
    words = "Say where the data is: one table of customers, and what belongs to them."
    with empty(
        "No catalog yet",
        words if may else f"{exc.message} An administrator names the data first.",
        icon_name="schema",
    ):
        if may:
            button(
                "Add your data",
                lambda: ui.navigate.to("/edit-catalog"),
                icon_name="add",
                kind="main",
            )


def _facts(visit: Visit, found: Portrait) -> None:
    with card():
        facts(
            [
                ("Customers", lambda: Figure(found.customers)),
                ("Key", f"{found.catalog.profile.name}.{found.catalog.key}"),
                ("Zone", found.catalog.timezone),
                ("Prepared", lambda: Figure(found.prepared_at, "instant")),
                ("Snapshot", found.snapshot),
            ]
        )
        if found.snapshot is None:
            note(
                "Nothing has been read yet. The first refresh of a segment reads the data; from then on "
                "values, counts and distributions are known here and in the builder."
            )
            if visit.allows(Permission.EDIT):
                button(
                    "Begin with a segment of all customers",
                    lambda: _begin(visit),
                    icon_name="play_arrow",
                    kind="main",
                )


async def _begin(visit: Visit) -> None:
    """Make the segment of everybody, unless it is there, and refresh it: that reads the data."""
    name = str(_EVERYBODY["name"])

    def begin(workspace: Workspace) -> None:
        with suppress(ChangedMeanwhile):
            save_text(workspace, yaml_of(_EVERYBODY), rev=0)
        refresh_segments(workspace, [name])

    if (await visit.do(Permission.EDIT, begin)).ok:
        ui.navigate.to(path_to("segments", name))


def _table_row(table: TablePortrait) -> dict[str, Any]:
    fresh, why = _freshness(table)
    return {
        "name": table.name,
        "part": "profile" if table.is_profile else "",
        "rows": table.rows,
        "columns": table.columns,
        "newest": table.newest,
        "fresh": fresh,
        "fresh_note": why,
        "source": table.source,
    }


def _freshness(table: TablePortrait) -> tuple[str, str]:
    """Return a word and what it is about: whether a table keeps what it promises."""
    contract = table.contract
    if contract is None:
        return "none", "no contract"
    promised = []
    if contract.max_age:
        promised.append(f"at most {contract.max_age} old")
    if contract.min_rows:
        promised.append(f"at least {numerals().number(contract.min_rows)} rows")
    broken = (
        contract.min_rows is not None and table.rows is not None and table.rows < contract.min_rows
    )
    longest: timedelta | None = contract.longest
    if longest is not None and table.newest is not None:
        broken = broken or utc_now() - table.newest > longest
    return ("warning" if broken else "ok"), ", ".join(promised)


@page("/catalog/{table}", permission=Permission.VIEW, title="Table")
async def table(visit: Visit, table: str) -> None:
    """Build one table."""
    ui.add_head_html('<link rel="stylesheet" href="/asset/builder.css">')
    found = await visit.load(portray_catalog)
    known = found.catalog.table(table)
    if known is None:
        raise NotFound(f"The catalog has no table `{table}`.")
    summaries: list[TableSummary] = []
    reason = ""
    try:
        summaries = await visit.load(lambda workspace: _summaries(workspace, table))
    except (Conflict, NotFound) as exc:
        reason = f"{exc.message} {exc.hint or ''}"
    with heading(table, lead=str(known.source), back=("/catalog", "Catalog")):
        pass
    if reason:
        note(reason)
    columns = {c.column: c for c in (summaries[0].columns if summaries else ())}
    with Element("div").classes("m-two"):
        with card("Columns"):

            def show(_: str, name: str) -> None:
                if name in columns:
                    redraw(place, lambda: _column(visit, table, columns[name]))

            DataTable(
                _COLUMNS,
                [
                    _column_row(found.catalog, table, n, k, columns)
                    for n, k in known.columns.items()
                ],
                row_key="name",
                caption=f"Columns of {table}",
                noun=("column", "columns"),
                search="Search by name",
                # the database keeps them in no order that people know
                sort_by="name",
                on_action=show,
            )
        with card("What it holds"):
            place = stack()
            with place:
                text("Choose a column to see what it holds.", tag="p").classes("m-muted")
    if columns:
        first = next((c for c in columns.values() if c.top), next(iter(columns.values())))
        redraw(place, lambda: _column(visit, table, first))


def _summaries(workspace: Workspace, table: str) -> list[TableSummary]:
    return table_statistics(workspace, table)


def _column(visit: Visit, table: str, column: ColumnSummary) -> None:
    text(column.column, tag="h3").classes("m-rule-name")
    spread(column)
    if visit.allows(Permission.EDIT):
        place = urlencode({"table": table, "column": column.column})
        button(
            "Quick segment of it",
            lambda: ui.navigate.to(f"/quick-segment?{place}"),
            icon_name="bolt",
        )


def _column_row(
    catalog: Catalog, table: str, name: str, kind: str, known: dict[str, ColumnSummary]
) -> dict[str, Any]:
    summary = known.get(name)
    described = catalog.table(table)
    notes = []
    if described is not None:
        notes += ["personal"] if name in described.personal else []
        notes += ["time"] if name == described.time else []
        notes += ["row key"] if name in described.row_key else []
    if table == catalog.profile.name:
        notes += ["key"] if name == catalog.key else []
        notes += ["has a history"] if name in catalog.histories else []
    missing = None
    if summary is not None and summary.rows:
        missing = round(100 * summary.nulls / summary.rows, 1)
    return {
        "name": name,
        "type": type_words(parse_type(kind)),
        "note": ", ".join(notes),
        "missing": missing,
        "distinct": None if summary is None else summary.distinct,
        "actions": row_actions(_SHOW) if summary is not None else [],
    }
