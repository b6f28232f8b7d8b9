"""What only an operator does, and seldom: after a restore or a failover of the control database."""

from __future__ import annotations

from muster_console.operation.workspace import Workspace
from muster_core.storage import epoch
from muster_core.storage.database import transaction


def bump_epoch(workspace: Workspace) -> int:
    """Begin a new epoch of fences, so that none is given twice; return it."""
    with transaction(workspace.database) as connection:
        return epoch.bump_epoch(connection)
