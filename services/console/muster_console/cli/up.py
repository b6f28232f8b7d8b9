"""``muster up``, ``muster down``, ``muster status``."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.output import JsonOption


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when everything is ready; it keeps running.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start everything on this machine and keep it running."""
    raise typer.Exit(1)


def down(*, json: JsonOption = False) -> None:
    """Stop everything that `muster up` started in this home."""
    raise typer.Exit(1)


def status(*, json: JsonOption = False) -> None:
    """Show each part and service: whether it runs, since when, and its last sign of life."""
    raise typer.Exit(1)
