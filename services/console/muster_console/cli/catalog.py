"""``muster catalog``: check, apply, show."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from muster_console.cli.group import on_demand
from muster_console.cli.output import (
    JsonOption,
    console,
    error_console,
    print_facts,
    print_json,
    print_table,
    print_warnings,
)
from muster_console.operation.catalog import apply_catalog, check_catalog, show_catalog
from muster_console.operation.statistic import TableSummary, table_statistics
from muster_console.operation.workspace import open_workspace
from muster_core.catalog.document import Catalog
from muster_core.catalog.summary import ColumnSummary
from muster_core.lake.inspect import Inspection, Progress

app = typer.Typer(
    help="What the data is: tables, keys, relationships.",
    no_args_is_help=True,
    cls=on_demand({"values": "quick.list_values"}),
)

File = Annotated[Path, typer.Argument(help="The catalog, in YAML.", metavar="FILE")]


@app.command()
def check(file: File, *, json: JsonOption = False) -> None:
    """Hold a catalog against its data; nothing is saved."""
    with error_console.status("Reading the data") as status:
        inspection = check_catalog(file, _told(status))
    if json:
        print_json(_inspected(inspection))
    else:
        _print_inspection(inspection)
        console.print("The catalog fits the data. Nothing was saved.")


@app.command()
def apply(file: File, *, json: JsonOption = False) -> None:
    """Check a catalog and put it in use."""
    with open_workspace() as workspace, error_console.status("Reading the data") as status:
        applied = apply_catalog(workspace, file, _told(status))
    if json:
        found = {"id": applied.id, "changed": applied.changed}
        print_json(found | _inspected(applied.inspection))
        return
    _print_inspection(applied.inspection)
    change = "is now in use" if applied.changed else "was in use already"
    console.print(f"Catalog {applied.id} {change}.")


@app.command()
def show(*, json: JsonOption = False) -> None:
    """Show the catalog in use, with the types found in the data."""
    with open_workspace() as workspace:
        catalog = show_catalog(workspace)
    if json:
        print_json(catalog.model_dump(mode="json", by_alias=True))
        return
    _print_catalog(catalog)


@app.command()
def statistics(
    table: Annotated[str, typer.Argument(help="The table's name.", metavar="TABLE")],
    column: Annotated[
        str | None, typer.Argument(help="One of its columns, with its values.", metavar="COLUMN")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Show what the columns of a prepared table hold: missing and distinct values, ranges, percentiles."""
    with open_workspace() as workspace:
        found = table_statistics(workspace, table, column)
    if json:
        print_json([summary.to_json() for summary in found])
        return
    for summary in found:
        if column is None:
            _print_columns(summary)
        else:
            _print_column(summary.name, summary.columns)


def _print_columns(summary: TableSummary) -> None:
    rows = [
        (
            c.column,
            c.type,
            c.nulls,
            "personal" if c.personal else c.distinct,
            c.minimum,
            *(_between(p.low, p.high) for p in c.percentiles if p.percent in (25, 50, 75)),
            *(() if c.percentiles else ("", "", "")),
            c.maximum,
        )
        for c in summary.columns
    ]
    ends = ("least", "25 %", "50 %", "75 %", "greatest")
    total = max((c.rows for c in summary.columns), default=0)
    print_table(
        f"{summary.name}: {total:,} rows, snapshot {summary.snapshot}",
        ("column", "type", "missing", "distinct", *ends),
        rows,
    )


def _print_column(table: str, columns: list[ColumnSummary]) -> None:
    for c in columns:
        facts: list[tuple[str, object]] = [
            ("type", f"{c.type}, personal" if c.personal else c.type),
            ("rows", c.rows),
            ("missing", c.nulls),
            ("distinct", c.distinct),
            ("least", c.minimum),
            *((f"{p.percent} %", _between(p.low, p.high)) for p in c.percentiles),
            ("greatest", c.maximum),
        ]
        print_facts(f"{table}.{c.column}", facts)
        if c.top:
            print_table("most frequent", ("value", "rows"), [(t.value, t.rows) for t in c.top])


def _between(low: object, high: object) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _print_catalog(catalog: Catalog) -> None:
    for table in (catalog.profile, *catalog.tables.values()):
        notes = {table.time: "time"} | dict.fromkeys(table.row_key, "row key")
        if table is catalog.profile:
            notes = {catalog.key: "key"}
        rows = [
            (name, kind, notes.get(name, "personal" if name in table.personal else ""))
            for name, kind in sorted(
                table.columns.items(), key=lambda c: (c[0] != catalog.key, c[0])
            )
        ]
        print_table(f"{table.name}: {table.source}", ("column", "type", "note"), rows)
    links = [(r.name, r.from_, r.to, r.kind) for r in catalog.relationships]
    if links:
        print_table("relationships", ("name", "from", "to", "kind"), links)
    console.print(f"Time zone: {catalog.timezone}")


def _print_inspection(inspection: Inspection) -> None:
    rows = [
        (
            t.name,
            t.files,
            t.rows,
            ", ".join(f"{column} {nulls:,}" for column, nulls in t.nulls.items() if nulls),
            ", ".join(f"{name} {share:.1%}" for name, share in t.coverage.items()),
        )
        for t in inspection.tables
    ]
    print_table("", ("table", "files", "rows", "rows without", "coverage"), rows)
    print_warnings(inspection.warnings)


def _inspected(inspection: Inspection) -> dict[str, object]:
    return {
        "catalog": inspection.catalog.model_dump(mode="json", by_alias=True),
        "tables": [asdict(table) for table in inspection.tables],
        "warnings": [asdict(warning) for warning in inspection.warnings],
    }


def _told(status: Status) -> Progress:
    def tell(what: str, done: int, steps: int) -> None:
        status.update(f"Reading the data: {what} ({done} of {steps})")

    return tell
