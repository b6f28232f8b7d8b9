"""The command line: what stands before every command, and where the commands are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.group import on_demand
from muster_console.cli.server import use_server

#: Where each command or group is.
_PLACES: Mapping[str, str] = {
    "up": "up.up",
    "down": "up.down",
    "status": "up.status",
    "doctor": "doctor.doctor",
    "demo": "demo.demo",
    "runs": "run.list_",
    "catalog": "catalog.app",
    "segment": "segment.app",
    "tag": "tag.app",
    "measure": "measure.app",
    "rules": "rule.app",
    "run": "run.app",
    "connection": "connection.app",
    "export": "export.app",
    "customer": "customer.app",
    "system": "system.app",
    "admin": "admin.app",
    "limits": "service.limits",
    "cleanup": "service.cleanup",
    "settings": "service.settings",
    "apply": "folder.apply",
    "plan": "folder.plan",
    "user": "access.users",
    "token": "access.tokens",
    "audit": "access.entries",
}


app = typer.Typer(
    name="muster",
    cls=on_demand(_PLACES),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"muster {version('muster')}")
        raise typer.Exit


@app.callback()
def main(
    *,
    server: Annotated[
        str | None,
        typer.Option(
            help="Work on a Muster elsewhere, over its REST API.",
            metavar="URL",
            envvar="MUSTER_SERVER",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the token for it; else MUSTER_TOKEN holds one.",
            metavar="FILE",
            envvar="MUSTER_TOKEN_FILE",
        ),
    ] = None,
    version_: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Keep customer segments fresh, and deliver them."""
    use_server({"server": server, "token_file": token_file})
