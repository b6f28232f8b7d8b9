"""``muster segment quick`` and ``muster catalog values``: pick from what a column holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from muster_console.cli.name import LARGEST
from muster_console.cli.output import (
    JsonOption,
    console,
    data_text,
    print_facts,
    print_json,
    print_table,
    print_warnings,
)
from muster_console.cli.preview import print_preview
from muster_console.operation.quick import (
    Choices,
    quick_choices,
    quick_segment,
    save_quick_segment,
)
from muster_console.operation.value import ValueOrder, values
from muster_console.operation.workspace import open_workspace

Table = Annotated[str, typer.Argument(help="The table's name.", metavar="TABLE")]
Column = Annotated[str, typer.Argument(help="One of its columns.", metavar="COLUMN")]


def quick(
    table: Table,
    column: Column,
    picked: Annotated[
        list[str] | None, typer.Argument(help="Values to compare with.", metavar="VALUE...")
    ] = None,
    *,
    compare: Annotated[
        str | None, typer.Option(help="A comparison; by default the usual one of the type.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Save the segment under this name.")] = None,
    json: JsonOption = False,
) -> None:
    """Make a segment of one comparison: without a value show what there is, without a name its size."""
    with open_workspace() as workspace:
        if not picked and compare is None:
            offered = quick_choices(workspace, table, column)
            if json:
                print_json(offered.to_json())
            else:
                _print_choices(offered)
            return
        found = quick_segment(
            workspace, table, column, picked or [], compare=compare, name=name or "quick"
        )
        saved = save_quick_segment(workspace, found) if name else None
    if json:
        print_json(found.to_json() | {"saved": asdict(saved) if saved else None})
        return
    print_preview(found.preview)
    if saved:
        console.print(f"The segment {saved.name} is {saved.change}.")
        print_warnings(saved.warnings)
    else:
        console.print("Nothing was saved; --name NAME saves it.")


def _print_choices(offered: Choices) -> None:
    column = offered.column
    facts: list[tuple[str, object]] = [
        ("type", f"{column.type}, personal" if column.personal else column.type),
        ("least", column.minimum),
        *(
            (f"{p.percent} %", f"{p.low}" if p.low == p.high else f"{p.low} to {p.high}")
            for p in column.percentiles
        ),
        ("greatest", column.maximum),
        ("comparisons", ", ".join(offered.compares)),
    ]
    print_facts(f"{offered.table}.{column.column}", facts)
    if column.top:
        print_table("most frequent", ("value", "rows"), [(t.value, t.rows) for t in column.top])


def list_values(
    table: Table,
    column: Column,
    *,
    search: Annotated[str, typer.Option(help="Only values that hold this text.")] = "",
    sort: Annotated[
        ValueOrder, typer.Option(help="Most rows first, or by value.")
    ] = ValueOrder.ROWS,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=1_000_000)] = 50,
    skip: Annotated[int, typer.Option(help="Leave out so many first.", min=0, max=LARGEST)] = 0,
    json: JsonOption = False,
) -> None:
    """List every value of a column with how many rows have it."""
    with open_workspace() as workspace:
        page = values(workspace, table, column, search=search, order=sort, limit=limit, skip=skip)
    if json:
        print_json(page.to_json())
        return
    rows = [(data_text(v.value), v.rows) for v in page.values]
    print_table(f"{page.table}.{page.column}", ("value", "rows"), rows)
    console.print(f"{len(rows):,} of {page.found:,} values; {page.distinct:,} in all")
    if page.more:
        console.print(f"There are more: --skip {skip + limit}")
