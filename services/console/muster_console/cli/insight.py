"""``muster segment``: what is known around a segment: preview, plan, explain, overlap, apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.name import LARGEST, SegmentName
from muster_console.cli.output import (
    JsonOption,
    console,
    print_json,
    print_table,
)
from muster_console.cli.preview import print_apart, print_explanation, print_plan, print_preview
from muster_console.operation.explain import explain_customer
from muster_console.operation.file import read_file
from muster_console.operation.overlap import apart, overlap
from muster_console.operation.planning import plan_saved, plan_segment
from muster_console.operation.preview import preview
from muster_console.operation.refresh import parse_instant
from muster_console.operation.workspace import open_workspace
from muster_core.errors import InvalidInput

File = Annotated[Path, typer.Argument(help="A segment, in YAML or JSON.", metavar="FILE")]
AsOf = Annotated[
    str | None, typer.Option(help="Evaluate as of this instant (ISO 8601).", metavar="INSTANT")
]
Exact = Annotated[
    bool | None,
    typer.Option(
        "--exact/--estimate",
        help="Look at everybody, or at a part of the customers; by default as there are rows to read.",
    ),
]


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Let the problems of what was read name its file: who looked at it saw a text alone."""
    try:
        yield
    except InvalidInput as exc:
        own = [p.file == "body" or (p.file is None and p.pointer != "") for p in exc.problems]
        raise InvalidInput(
            [replace(p, file=str(file)) if o else p for p, o in zip(exc.problems, own, strict=True)]
        ) from exc


def preview_(
    file: File, *, exact: Exact = None, as_of: AsOf = None, json: JsonOption = False
) -> None:
    """Say how many members a definition would have, with every rule and condition; nothing is saved."""
    instant = parse_instant(as_of) if as_of else None
    with open_workspace() as workspace, _named(file):
        found = preview(workspace, read_file(file), exact=exact, as_of=instant)
    if json:
        print_json(found.to_json())
        return
    print_preview(found)
    console.print("Nothing was saved.")


def plan_(
    what: Annotated[
        str, typer.Argument(help="A file, or the name of a saved segment.", metavar="FILE|NAME")
    ],
    *,
    members: Annotated[
        int | None,
        typer.Option("--members", help="Name so many who join and leave.", min=1, max=1_000_000),
    ] = None,
    as_of: AsOf = None,
    json: JsonOption = False,
) -> None:
    """Say who would join and leave, per rule, and what exports would send; nothing is saved."""
    instant = parse_instant(as_of) if as_of else None
    path = Path(what)
    with open_workspace() as workspace:
        if path.suffix or path.exists():
            with _named(path):
                found = plan_segment(workspace, read_file(path), keys=members, as_of=instant)
        else:
            found = plan_saved(workspace, what, keys=members, as_of=instant)
    if json:
        print_json(found.to_json())
    else:
        print_plan(found)


def explain_(
    name: SegmentName,
    key: Annotated[str, typer.Argument(help="The customer's key.", metavar="KEY")],
    *,
    version: Annotated[
        int | None,
        typer.Option("--version", help="As this version was evaluated.", min=1, max=LARGEST),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say why a customer is a member or not: every condition, and the rows that decided it."""
    with open_workspace() as workspace:
        found = explain_customer(workspace, name, key, version=version)
    if json:
        print_json(found.to_json())
    else:
        print_explanation(found)


def overlap_(
    names: Annotated[list[str], typer.Argument(help="Two or more segments.", metavar="NAME...")],
    *,
    json: JsonOption = False,
) -> None:
    """Say how many members segments share."""
    with open_workspace() as workspace:
        found = overlap(workspace, names)
    if json:
        print_json(found.to_json())
        return
    print_table(
        "",
        ("segment", "version", "members", "in no other"),
        [(s.segment, str(s.version), s.members, s.alone) for s in found.segments],
    )
    print_table(
        "",
        ("first", "second", "in both", "% of first", "% of second"),
        [(p.first, p.second, p.both, p.percent_of_first, p.percent_of_second) for p in found.pairs],
    )
    console.print(f"{found.all:,} belong to all of them, {found.any:,} to at least one.")


def apart_(name: SegmentName, *, json: JsonOption = False) -> None:
    """Say what sets the members apart from everybody, column by column."""
    with open_workspace() as workspace:
        found = apart(workspace, name)
    if json:
        print_json(found.to_json())
    else:
        print_apart(found)
