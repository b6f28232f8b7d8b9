"""Listing measures, showing one with the segments that use it, deleting one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from muster_console.operation.workspace import Workspace
from muster_core.storage import audit
from muster_core.storage import measure as storage
from muster_core.storage.database import transaction
from muster_core.storage.measure import MeasureRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureView:
    """One measure and the names of the segments, drafts left out, that use it."""

    measure: MeasureRecord
    segments: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the view as programs read it."""
        return measure_json(self.measure) | {"segments": self.segments}


def measure_json(record: MeasureRecord) -> dict[str, Any]:
    """Return a measure as programs read it."""
    return {
        "name": record.name,
        "rev": record.rev,
        "digest": record.digest,
        "document": record.stored,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def list_measures(workspace: Workspace) -> list[MeasureRecord]:
    """Return every measure by name."""
    with transaction(workspace.database) as connection:
        return storage.list_measures(connection)


def show_measure(workspace: Workspace, name: str) -> MeasureView:
    """Return one measure.

    Raises:
        NotFound: there is none of that name.
    """
    with transaction(workspace.database) as connection:
        return MeasureView(
            measure=storage.get_measure(connection, name),
            segments=storage.segments_using(connection, name),
        )


def delete_measure(workspace: Workspace, name: str) -> None:
    """Delete a measure that no segment uses.

    Raises:
        NotFound: there is none of that name.
        Conflict: segments use it; the message names them.
    """
    with transaction(workspace.database) as connection:
        storage.delete_measure(connection, name)
        audit.record(connection, workspace.actor, "measure.deleted", name)
