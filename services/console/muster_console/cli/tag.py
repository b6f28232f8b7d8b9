"""``muster tag``: the tags of all segments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from muster_console.cli.choice import print_results
from muster_console.cli.output import JsonOption, print_json, print_table
from muster_console.operation import tag as operation
from muster_console.operation.workspace import open_workspace

app = typer.Typer(help="The tags of all segments.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The tag.", metavar="TAG")]


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List every tag, with how many segments have it."""
    with open_workspace() as workspace:
        found = operation.list_tags(workspace)
    if json:
        print_json([asdict(line) for line in found])
    else:
        print_table("", ("tag", "segments"), [(line.name, line.segments) for line in found])


@app.command()
def rename(
    name: Name,
    new_name: Annotated[str, typer.Argument(help="Its new name.", metavar="NEW")],
    *,
    json: JsonOption = False,
) -> None:
    """Give a tag another name on every segment that has it."""
    with open_workspace() as workspace:
        results = operation.rename_tag(workspace, name, new_name)
    print_results(results, json=json)


@app.command()
def delete(name: Name, *, json: JsonOption = False) -> None:
    """Take a tag off every segment that has it."""
    with open_workspace() as workspace:
        results = operation.delete_tag(workspace, name)
    print_results(results, json=json)
