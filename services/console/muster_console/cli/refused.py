"""``muster export refused``: rows that destinations did not take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.name import ExportName
from muster_console.cli.output import JsonOption, print_facts, print_json, print_table
from muster_console.operation.refused import download_refused, list_refused
from muster_console.operation.workspace import open_workspace


def refused(
    name: ExportName,
    *,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=1_000_000)] = 1000,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Write all of them to this file instead: .csv, .csv.gz, .parquet, .jsonl."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the rows a destination did not take, with their customers' keys; they are offered again."""
    if file is not None:
        with open_workspace() as workspace:
            written = download_refused(workspace, name, file)
        if json:
            print_json({"file": str(file.absolute()), "rows": written})
        else:
            print_facts(name, [("file", file.absolute()), ("rows", written)])
        return
    with open_workspace() as workspace:
        found = list_refused(workspace, name, limit=limit)
    columns = ("segment", "version", "key", "operation", "reason", "attempts", "last_at")
    rows = [tuple(getattr(row, column) for column in columns) for row in found]
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("", columns, rows)
