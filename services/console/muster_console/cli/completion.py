"""Names a shell completes: what is asked is what the command itself would ask.

What lists them is imported when a key is pressed: every command with a name has one of these, and most never ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import typer

from muster_console.cli.server import use_server
from muster_core.errors import MusterError

if TYPE_CHECKING:
    from muster_console.operation.workspace import Workspace


def segment_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of segments that begin so."""
    from muster_console.operation.segment import list_segments

    return _names(list_segments, context, incomplete)


def measure_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of measures that begin so."""
    from muster_console.operation.measure import list_measures

    return _names(list_measures, context, incomplete)


def export_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of exports that begin so."""
    from muster_console.operation.export import list_exports

    return _names(list_exports, context, incomplete)


def connection_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of connections that begin so."""
    from muster_console.operation.connection import list_connections

    return _names(list_connections, context, incomplete)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def _names(
    listed: Callable[[Workspace], Iterable[_Named]], context: typer.Context, incomplete: str
) -> list[str]:
    from muster_console.operation.workspace import open_workspace

    # the line is not run, so nobody else has looked at the options before the command
    use_server(context.find_root().params)
    try:
        with open_workspace() as workspace:
            found = [one.name for one in listed(workspace)]
    except MusterError:
        # whoever presses a key in the middle of a line cannot be told; the command itself will say it
        return []
    return [name for name in found if name.startswith(incomplete)]
