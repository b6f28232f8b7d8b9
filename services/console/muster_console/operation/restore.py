"""Taking deleted segments back, for thirty days: with their definition, history and owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from muster_console.operation.definition import known_definitions
from muster_console.operation.result import Results, SegmentResult
from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.errors import Problem
from muster_core.rules.check import check_folder
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.storage import audit
from muster_core.storage.database import transaction
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment_life import (
    DeletedSegment,
    get_deleted,
    restore_segment,
)


def restore_segments(workspace: Workspace, names: Sequence[str]) -> list[SegmentResult]:
    """Take each of the deleted segments back; return a result for each, in their order.

    One that does not fit the catalog any more comes back as a draft, with what is wrong as its warnings.
    Those that refer to each other may be restored together, in any order.
    """
    each = list(dict.fromkeys(names))
    with transaction(workspace.database) as connection:
        lock_saving(connection)
        results = Results(connection)
        found: dict[str, DeletedSegment] = {}
        documents: dict[str, SegmentDocument] = {}
        for name in each:
            with results.of(name):
                found[name] = get_deleted(connection, name)
                documents[name] = _readable(found[name].document, workspace)
        problems = _problems(connection, workspace, documents)
        for name, document in documents.items():
            wrong = problems[name] if document.state == "active" else []
            if wrong:
                document = document.model_copy(update={"state": "draft"})
            with results.of(name):
                restore_segment(connection, found[name], document, actor=workspace.actor)
                results.add(name, "restored", warnings=wrong)
        back = [name for name in each if not results.found[name].refused]
        audit.record(connection, workspace.actor, "segment.restored", back)
    return [results.found[name] for name in each]


def _readable(stored: dict[str, Any], workspace: Workspace) -> SegmentDocument:
    return parse_segment(stored, limits=workspace.settings.limits)


def _problems(
    connection: Connection, workspace: Workspace, documents: dict[str, SegmentDocument]
) -> dict[str, list[Problem]]:
    if not documents:
        return {}
    checked = check_folder(
        list(documents.values()),
        required_catalog(connection),
        limits=workspace.settings.limits,
        known=known_definitions(connection),
    )
    return dict(zip(documents, checked, strict=True))
