"""The command ``muster``."""

from __future__ import annotations

from muster_console.cli.app import app
from muster_console.cli.output import reported


def main() -> None:
    """Run the command line; the exit code tells what kind of thing went wrong (see `cli.output`)."""
    with reported():
        app()
