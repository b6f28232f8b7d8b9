"""``muster measure``: list, show, delete; `muster segment apply` saves measures that stand beside segments."""

from __future__ import annotations

from typing import Annotated

import typer
import yaml
from rich.syntax import Syntax

from muster_console.cli.output import JsonOption, console, print_facts, print_json, print_table
from muster_console.operation import measure as operation
from muster_console.operation.workspace import open_workspace

app = typer.Typer(help="Aggregates with a name, which rules use.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The measure's name.", metavar="NAME")]


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List every measure."""
    with open_workspace() as workspace:
        found = operation.list_measures(workspace)
    if json:
        print_json([operation.measure_json(record) for record in found])
        return
    rows = [(r.name, str(r.rev), r.updated_at, _description(r.stored)) for r in found]
    print_table("", ("measure", "revision", "changed", "description"), rows)


@app.command()
def show(name: Name, *, json: JsonOption = False) -> None:
    """Show a measure's definition and the segments that use it."""
    with open_workspace() as workspace:
        view = operation.show_measure(workspace, name)
    if json:
        print_json(view.to_json())
        return
    record = view.measure
    rows = [
        ("revision", str(record.rev)),
        ("changed", record.updated_at),
        ("used by", ", ".join(view.segments) or None),
    ]
    print_facts(name, rows)
    text = yaml.safe_dump(record.stored, sort_keys=False, allow_unicode=True)
    console.print(Syntax(text, "yaml", background_color="default"))


@app.command()
def delete(name: Name, *, json: JsonOption = False) -> None:
    """Delete a measure that no segment uses."""
    with open_workspace() as workspace:
        operation.delete_measure(workspace, name)
    if json:
        print_json({"name": name, "change": "deleted"})
    else:
        console.print(f"{name} is deleted.")


def _description(stored: dict[str, object]) -> object:
    return stored.get("display_name") or stored.get("description")
