"""``muster measure``: apply, edit, list, show, refresh, delete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.syntax import Syntax

from muster_console.cli import editor
from muster_console.cli.completion import measure_names
from muster_console.cli.output import (
    JsonOption,
    console,
    print_facts,
    print_json,
    print_table,
    print_warnings,
)
from muster_console.cli.waiting import TimeoutOption, follow
from muster_console.operation import measure as operation
from muster_console.operation.saving import AppliedSegment
from muster_console.operation.workspace import open_workspace

app = typer.Typer(help="Aggregates with a name, which rules use.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="The measure's name.", metavar="NAME", autocompletion=measure_names)
]


@app.command()
def apply(
    path: Annotated[Path, typer.Argument(help="A YAML file or a folder.", metavar="FILE")],
    *,
    json: JsonOption = False,
) -> None:
    """Create or change the measures of a file or folder: all of them or none."""
    with open_workspace() as workspace:
        _print_applied(operation.apply_measure_files(workspace, path), json=json)


@app.command()
def edit(name: Name, *, json: JsonOption = False) -> None:
    """Change a measure in your editor (VISUAL or EDITOR)."""
    with open_workspace() as workspace:
        record = operation.show_measure(workspace, name).measure
        written = yaml.safe_dump(record.stored, sort_keys=False, allow_unicode=True)
        changed = editor.edit(written, name=name)
        applied = operation.apply_measure_text(workspace, name, changed, expected=record.rev)
    _print_applied([applied], json=json)


def _print_applied(applied: list[AppliedSegment], *, json: bool) -> None:
    if json:
        print_json([asdict(measure) for measure in applied])
        return
    print_table("", ("measure", "change"), [(m.name, m.change) for m in applied])
    for measure in applied:
        print_warnings(measure.warnings)


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List every measure."""
    with open_workspace() as workspace:
        found = operation.list_measures(workspace)
    if json:
        print_json([operation.measure_json(record) for record in found])
        return
    rows = [
        (r.name, operation.measure_state(r), str(r.rev), r.updated_at, _description(r.stored))
        for r in found
    ]
    print_table("", ("measure", "state", "revision", "changed", "description"), rows)


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
        ("state", operation.measure_state(record)),
        ("revision", str(record.rev)),
        ("changed", record.updated_at),
        ("used by", ", ".join(view.segments) or None),
    ]
    print_facts(name, rows)
    text = yaml.safe_dump(record.stored, sort_keys=False, allow_unicode=True)
    console.print(Syntax(text, "yaml", background_color="default"))


@app.command()
def refresh(
    name: Name,
    *,
    wait: Annotated[bool, typer.Option(help="Wait until the runs have ended.")] = True,
    timeout: TimeoutOption = None,
    json: JsonOption = False,
) -> None:
    """Refresh every active segment that uses a measure; it is evaluated along with them."""
    with open_workspace() as workspace:
        asked = operation.refresh_measure(workspace, name)
        run_ids = [run.run_id for run in asked]
        follow(workspace, run_ids, wait=wait, deliveries=False, timeout=timeout, json=json)


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
