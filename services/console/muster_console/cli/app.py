"""Every command of ``muster``, registered in one place."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from muster_console.cli import (
    access,
    admin,
    catalog,
    connection,
    demo,
    doctor,
    export,
    measure,
    rule,
    run,
    segment,
    system,
    up,
)

app = typer.Typer(
    name="muster",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"muster {version('muster')}")
        raise typer.Exit


@app.callback()
def main(
    version_: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Keep customer segments fresh, and deliver them."""


app.command("up")(up.up)
app.command("down")(up.down)
app.command("status")(up.status)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("runs")(run.list_)

for name, commands in (
    ("catalog", catalog.app),
    ("segment", segment.app),
    ("measure", measure.app),
    ("rules", rule.app),
    ("run", run.app),
    ("connection", connection.app),
    ("export", export.app),
    ("system", system.app),
    ("admin", admin.app),
    ("user", access.users),
    ("token", access.tokens),
    ("audit", access.entries),
):
    app.add_typer(commands, name=name)
