"""``muster catalog``: check, apply, show."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from muster_console.cli.output import (
    JsonOption,
    console,
    error_console,
    print_json,
    print_table,
    print_warnings,
)
from muster_console.operation.catalog import apply_catalog, check_catalog, show_catalog
from muster_console.operation.workspace import open_workspace
from muster_core.catalog.document import Catalog
from muster_core.lake.inspect import Inspection, Progress

app = typer.Typer(help="What the data is: tables, keys, relationships.", no_args_is_help=True)

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
