"""``muster rules``: check, convert, schema."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml

from muster_console.cli.output import JsonOption, console, print_json, print_warnings
from muster_console.operation.rule import (
    CheckedRules,
    Spelling,
    check_rule_files,
    convert_expression,
    convert_segment,
    read_rule_files,
)
from muster_console.operation.workspace import open_workspace
from muster_core.rules.schema import measure_schema, segment_schema

app = typer.Typer(help="The rule language: check, convert, explain.", no_args_is_help=True)


@app.command()
def check(
    paths: Annotated[
        list[Path], typer.Argument(help="YAML or JSON files, or folders.", metavar="FILE...")
    ],
    *,
    form: Annotated[
        bool, typer.Option("--form", help="The form alone; needs nothing running.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check segments and measures; nothing is saved."""
    if form:
        read = read_rule_files(paths)
        found = CheckedRules(
            segments=[document.name for document in read.documents],
            measures=list(read.named_measures),
            warnings=[],
        )
    else:
        with open_workspace() as workspace:
            found = check_rule_files(workspace, paths)
    if json:
        print_json(asdict(found))
        return
    what = "well formed" if form else "right"
    parts = ((len(found.segments), "segment"), (len(found.measures), "measure"))
    told = " and ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in parts)
    console.print(f"{told} checked: all {what}.")
    print_warnings(found.warnings)


@app.command()
def convert(
    path: Annotated[
        Path | None, typer.Argument(help="A YAML or JSON file of segments.", metavar="FILE")
    ] = None,
    *,
    to: Annotated[Spelling, typer.Option(help="What the rules become.")] = Spelling.EXPRESSION,
    expression: Annotated[
        str | None, typer.Option("--expression", help="One expression instead of a file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print rules as expressions, as documents or as sentences."""
    if (path is None) == (expression is None):
        raise typer.BadParameter("name a file, or say --expression (one of the two)")
    if expression is not None:
        _print_one(convert_expression(expression, to), json)
        return
    assert path is not None
    documents = read_rule_files([path]).documents
    found = [convert_segment(document, to) for document in documents]
    if json:
        print_json(found)
    elif to is Spelling.SENTENCE:
        for one in found:
            _print_plain(f"{one['name']}: {one['sentence']}")
    else:
        _print_plain(yaml.safe_dump_all(found, sort_keys=False, allow_unicode=True, width=100))


@app.command()
def schema(
    *,
    measure: Annotated[bool, typer.Option("--measure", help="That of measures.")] = False,
    json: JsonOption = False,
) -> None:
    """Print the JSON Schema of segment documents; it is JSON with and without --json."""
    print_json(measure_schema() if measure else segment_schema())


def _print_one(found: object, json: bool) -> None:
    if json or not isinstance(found, str):
        print_json(found)
    else:
        _print_plain(found)


def _print_plain(text: str) -> None:
    # without wrapping, so that it can be read back
    console.print(text.rstrip("\n"), soft_wrap=True)
