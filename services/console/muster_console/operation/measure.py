"""Saving measures, listing them, showing one with the segments that use it, refreshing these, deleting one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from muster_console.operation.definition import read_definitions, read_definitions_text
from muster_console.operation.hidden import covered_measure, veil_of
from muster_console.operation.refresh import refresh_segments
from muster_console.operation.remote import over
from muster_console.operation.saving import AppliedSegment, apply_definitions, apply_segments
from muster_console.operation.workspace import Workspace
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.rules.measure import MeasureDocument
from muster_core.storage import audit
from muster_core.storage import measure as storage
from muster_core.storage.cleanup import MEASURE_TAG
from muster_core.storage.database import transaction
from muster_core.storage.measure import MeasureRecord
from muster_core.storage.run import RequestedRun
from muster_core.storage.segment import list_segments


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
        "id": record.id,
        "name": record.name,
        "rev": record.rev,
        "digest": record.digest,
        "document": record.stored,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "state": measure_state(record),
        "tags": [] if record.deactivated_at is None else [MEASURE_TAG],
    }


def measure_state(record: MeasureRecord) -> str:
    """Return ``active``, or ``inactive`` where clean-up found that nothing uses the measure."""
    return "active" if record.deactivated_at is None else "inactive"


def _measure_of(answer: Mapping[str, Any]) -> MeasureRecord:
    stored = answer["document"]
    return MeasureRecord(
        id=answer["id"],
        name=answer["name"],
        document=MeasureDocument.model_validate(stored),
        stored=stored,
        digest=answer["digest"],
        rev=answer["rev"],
        created_at=datetime.fromisoformat(answer["created_at"]),
        updated_at=datetime.fromisoformat(answer["updated_at"]),
    )


def _view_of(answer: Mapping[str, Any]) -> MeasureView:
    return MeasureView(measure=_measure_of(answer["measure"]), segments=answer["segments"])


@over("GET", "/measures", pages="cursor", read=lambda answer: [_measure_of(m) for m in answer])
def list_measures(workspace: Workspace) -> list[MeasureRecord]:
    """Return every measure by name."""
    with transaction(workspace.database) as connection:
        veil = veil_of(workspace, connection)
        return [covered_measure(veil, record) for record in storage.list_measures(connection)]


@over("GET", "/measures/{name}", read=lambda answer: _view_of(answer))
def show_measure(workspace: Workspace, name: str) -> MeasureView:
    """Return one measure.

    Raises:
        NotFound: there is none of that name.
    """
    with transaction(workspace.database) as connection:
        return MeasureView(
            measure=covered_measure(
                veil_of(workspace, connection), storage.get_measure(connection, name)
            ),
            segments=storage.segments_using(connection, name),
        )


@over("DELETE", "/measures/{name}")
def delete_measure(workspace: Workspace, name: str) -> None:
    """Delete a measure that no segment uses.

    Raises:
        NotFound: there is none of that name.
        Conflict: segments use it; the message names them.
    """
    with transaction(workspace.database) as connection:
        storage.delete_measure(connection, name)
        audit.record(connection, workspace.actor, "measure.deleted", name)


def apply_measure_files(workspace: Workspace, path: Path) -> list[AppliedSegment]:
    """Create or change the measures of a file or folder, all or none.

    Raises:
        InvalidInput: with every problem, those of saved segments that a change would break among them.
        Conflict: there is no catalog yet.
    """
    found = read_definitions(path, workspace.settings.limits)
    if found.segments:
        names = ", ".join(f"`{document.name}`" for document in found.documents[:5])
        message = f"these are segments, not measures: {names}"
        hint = "`muster segment apply` saves both"
        raise InvalidInput([Problem(message=message, file=str(path), hint=hint)], message)
    return apply_segments(workspace, path)


@over("PUT", "/measures/{name}", text="text", revision="expected")
def apply_measure_text(
    workspace: Workspace, name: str, text: str, *, expected: int | None = None
) -> AppliedSegment:
    """Create or change the one measure `name`, written as YAML or JSON.

    `expected` is the revision it must still have, 0 for one that must not exist.

    Raises:
        InvalidInput: with every problem; the text is not this one measure.
        ChangedMeanwhile: it is not at the revision expected.
        Conflict: there is no catalog yet.
    """
    found = read_definitions_text(text, workspace.settings.limits)
    if not found.problems and (list(found.named_measures) != [name] or found.segments):
        raise InvalidInput(
            [Problem(message=f"the body must be the one measure `{name}`", pointer="/name")]
        )
    wanted = {} if expected is None else {name: expected}
    return apply_definitions(workspace, found, expected_measures=wanted)[0]


@over("POST", "/measures/{name}/refresh")
def refresh_measure(workspace: Workspace, name: str) -> list[RequestedRun]:
    """Ask for a refresh of every active segment that uses the measure: it is evaluated along with each.

    Raises:
        NotFound: there is no such measure.
        Conflict: no active segment uses it.
    """
    with transaction(workspace.database) as connection:
        storage.get_measure(connection, name)
        users = set(storage.segments_using(connection, name))
        active = [r.name for r in list_segments(connection) if r.state == "active"]
    names = [segment for segment in active if segment in users]
    if not names:
        raise Conflict(
            f"No active segment uses the measure `{name}`.",
            hint="A measure has values where a segment asks for them.",
        )
    return refresh_segments(workspace, names)
