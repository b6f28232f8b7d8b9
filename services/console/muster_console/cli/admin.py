"""``muster admin``: what only an operator does."""

from __future__ import annotations

import typer

from muster_console.cli.output import JsonOption, console, print_json
from muster_console.operation import admin as operation
from muster_console.operation.workspace import open_workspace

app = typer.Typer(help="What only an operator does, and seldom.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep the name of the only command part of the command line."""


@app.command("bump-epoch")
def bump_epoch(*, json: JsonOption = False) -> None:
    """After a restore or failover of PostgreSQL: make sure no fence is given a second time."""
    with open_workspace() as workspace:
        epoch = operation.bump_epoch(workspace)
    if json:
        print_json({"epoch": epoch})
        return
    console.print(f"Fences are of epoch {epoch} from now on; workers and exporters may start.")
