"""Names a shell completes: what is asked is what the command itself would ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from muster_console.operation.connection import list_connections
from muster_console.operation.export import list_exports
from muster_console.operation.measure import list_measures
from muster_console.operation.segment import list_segments
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import MusterError


def segment_names(incomplete: str) -> list[str]:
    """Return the names of segments that begin so."""
    return _names(list_segments, incomplete)


def measure_names(incomplete: str) -> list[str]:
    """Return the names of measures that begin so."""
    return _names(list_measures, incomplete)


def export_names(incomplete: str) -> list[str]:
    """Return the names of exports that begin so."""
    return _names(list_exports, incomplete)


def connection_names(incomplete: str) -> list[str]:
    """Return the names of connections that begin so."""
    return _names(list_connections, incomplete)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def _names(listed: Callable[[Workspace], Iterable[_Named]], incomplete: str) -> list[str]:
    try:
        with open_workspace() as workspace:
            found = [one.name for one in listed(workspace)]
    except MusterError:
        # whoever presses a key in the middle of a line cannot be told; the command itself will say it
        return []
    return [name for name in found if name.startswith(incomplete)]
