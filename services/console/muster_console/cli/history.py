"""Commands of ``muster segment`` for what was: history, changes."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.name import LARGEST, SegmentName
from muster_console.cli.output import JsonOption, print_facts, print_json, print_table
from muster_console.operation.history import Period, changes, history
from muster_console.operation.workspace import open_workspace

PeriodOption = Annotated[Period, typer.Option(help="How far back.")]


def history_(
    name: SegmentName, *, period: PeriodOption = Period.ALL, json: JsonOption = False
) -> None:
    """Show the number of members over time, with who joined and left at every version."""
    with open_workspace() as workspace:
        found = history(workspace, name, period)
    if json:
        print_json(found.to_json())
        return
    points = [*([found.before] if found.before else []), *found.points]
    print_table(
        "",
        ("version", "published", "as of", "members", "joined", "left", "run"),
        [
            (str(p.version), p.published_at, p.as_of, p.members, p.joined, p.left, str(p.run_id))
            for p in points
        ],
    )


def changes_(
    name: SegmentName,
    *,
    from_: Annotated[
        int | None,
        typer.Option("--from", help="A version; default the one before.", min=1, max=LARGEST),
    ] = None,
    to: Annotated[
        int | None, typer.Option(help="A version; default the latest.", min=1, max=LARGEST)
    ] = None,
    limit: Annotated[int, typer.Option(help="Show so many keys.", min=0, max=1_000_000)] = 100,
    json: JsonOption = False,
) -> None:
    """Show who joined and who left between two versions."""
    with open_workspace() as workspace:
        found = changes(workspace, name, from_version=from_, to_version=to, limit=limit)
    if json:
        print_json(found.to_json())
        return
    facts = [("joined", found.joined), ("left", found.left)]
    print_facts(f"{name}, version {found.from_version} to {found.to_version}", facts)
    rows = [(key, "joined") for key in found.joined_keys]
    print_table("", ("customer", ""), rows + [(key, "left") for key in found.left_keys])
