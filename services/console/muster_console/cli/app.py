"""Every command of ``muster``, registered in one place.

A command's module is imported when the command is asked for: each knows much of the product, and nobody who looks
at a status should wait for what applies a catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from muster_console.cli.server import use_server

#: Module below `muster_console.cli`, and what it calls the command or group.
_COMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("up", "up"),
    "down": ("up", "down"),
    "status": ("up", "status"),
    "doctor": ("doctor", "doctor"),
    "demo": ("demo", "demo"),
    "runs": ("run", "list_"),
    "catalog": ("catalog", "app"),
    "segment": ("segment", "app"),
    "tag": ("tag", "app"),
    "measure": ("measure", "app"),
    "rules": ("rule", "app"),
    "run": ("run", "app"),
    "connection": ("connection", "app"),
    "export": ("export", "app"),
    "customer": ("customer", "app"),
    "system": ("system", "app"),
    "admin": ("admin", "app"),
    "limits": ("service", "limits"),
    "cleanup": ("service", "cleanup"),
    "settings": ("service", "settings"),
    "apply": ("folder", "apply"),
    "plan": ("folder", "plan"),
    "user": ("access", "users"),
    "token": ("access", "tokens"),
    "audit": ("access", "entries"),
}


class _OnDemand(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # whoever mistypes is told the nearest of all names
        for name in (cmd_name,) if cmd_name in _COMMANDS else _COMMANDS:
            if name not in self.commands:
                self.commands[name] = _load(name)
        return self.commands.get(cmd_name)


def _load(name: str) -> Any:
    module, attribute = _COMMANDS[name]
    found = getattr(import_module(f"muster_console.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return get_command(alone)


app = typer.Typer(
    name="muster",
    cls=_OnDemand,
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
