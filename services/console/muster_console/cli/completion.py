"""Names a shell completes: what is asked is what the command itself would ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import typer

from muster_console.cli.server import use_server
from muster_console.operation.connection import list_connections
from muster_console.operation.export import list_exports
from muster_console.operation.measure import list_measures
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import MusterError


def segment_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of segments that begin so."""
    return _names(list_segments, context, incomplete)


def measure_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of measures that begin so."""
    return _names(list_measures, context, incomplete)


def export_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of exports that begin so."""
    return _names(list_exports, context, incomplete)


def connection_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of connections that begin so."""
    return _names(list_connections, context, incomplete)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def _names(
    listed: Callable[[Workspace], Iterable[_Named]], context: typer.Context, incomplete: str
) -> list[str]:
    # the line is not run, so nobody else has looked at the options before the command
    use_server(context.find_root().params)
    try:
        with open_workspace() as workspace:
            found = [one.name for one in listed(workspace)]
    except MusterError:
        # whoever presses a key in the middle of a line cannot be told; the command itself will say it
        return []
    return [name for name in found if name.startswith(incomplete)]
