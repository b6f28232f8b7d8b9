"""Removing what nothing needs any more, now, or saying what would go."""

from __future__ import annotations

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.collection import collect as collection
from muster_core.collection.collect import Collection
from muster_core.errors import Conflict


@over("POST", "/system/collect")
def collect(workspace: Workspace, *, dry_run: bool) -> Collection:
    """Collect once, or with `dry_run` say what would be done; who waits for it sees the result.

    Raises:
        Conflict: somebody collects already.
        StoreDamaged: a manifest that is needed is missing; nothing was removed.
    """
    settings = workspace.settings
    if dry_run:
        return collection.preview(workspace.database, workspace.lake, settings.keeping)
    found = collection.collect(
        workspace.database,
        workspace.lake,
        settings.keeping,
        owner=workspace.actor,
        lease=settings.lease,
    )
    if found is None:
        raise Conflict(
            "Somebody else collects right now.",
            hint="Look again with `--dry-run` when it has ended.",
        )
    return found
