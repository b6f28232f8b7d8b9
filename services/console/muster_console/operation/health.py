"""How the work goes: for `muster system status` and for the health checks of containers."""

from __future__ import annotations

import socket
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.errors import PartUnavailable
from muster_core.storage.database import transaction
from muster_core.storage.health import Health, read_health
from muster_core.storage.process import list_processes


@over("GET", "/system/status")
def look_at_health(workspace: Workspace) -> Health:
    """Return how the work goes."""
    with transaction(workspace.database) as connection:
        return read_health(connection, lease=workspace.settings.lease)


def require_alive(workspace: Workspace, kind: str) -> None:
    """Make sure that a process of this kind on this host has been heard of within a lease.

    Raises:
        PartUnavailable: none was.
    """
    host, lease = socket.gethostname(), workspace.settings.lease
    with transaction(workspace.database) as connection:
        processes = list_processes(connection)
    if not any(p.kind == kind and p.host == host and p.silent <= lease for p in processes):
        raise PartUnavailable(
            f"No {kind} on this host has been heard of for {lease.total_seconds():g} s."
        )


def health_json(health: Health) -> dict[str, Any]:
    """Return it as programs read it: ages in seconds."""
    found = {name: _plain(value) for name, value in asdict(health).items()}
    found["processes"] = [
        {name: _plain(value) for name, value in process.items()} for process in found["processes"]
    ]
    return {"healthy": health.healthy} | found


def _plain(value: object) -> Any:
    return round(value.total_seconds(), 3) if isinstance(value, timedelta) else value
