"""Saving segments and measures that were written: all of what was sent, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from muster_console.operation.definition import (
    Definitions,
    TextFile,
    catalog_for,
    known_definitions,
    known_with,
    measure_problems,
    read_definitions,
    read_texts,
    refuse,
    sent_files,
)
from muster_console.operation.hidden import uncovered
from muster_console.operation.remote import over
from muster_console.operation.warning import rule_warnings
from muster_console.operation.workspace import (
    RemoteWorkspace,
    Workspace,
    require_administrator,
)
from muster_core.errors import ChangedMeanwhile, Problem
from muster_core.rules.check import check_folder
from muster_core.rules.document import SegmentDocument
from muster_core.rules.text import WrittenSegment
from muster_core.storage import audit
from muster_core.storage import segment as storage
from muster_core.storage.database import transaction
from muster_core.storage.draft import save_draft
from muster_core.storage.measure import MeasureRecord, apply_measures, list_measures
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import SegmentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedSegment:
    """What applying did to one segment or measure.

    The warnings of a draft begin with what is still wrong with it.
    """

    name: str
    kind: str = "segment"
    change: str
    warnings: list[Problem]


def apply_segments(workspace: Workspace, path: Path) -> list[AppliedSegment]:
    """Create or change the segments and measures of a file or folder, all or none; measures come first.

    Raises:
        InvalidInput: with every problem, of form and against the catalog; those of drafts are warnings.
        Conflict: there is no catalog yet.
    """
    if isinstance(workspace, RemoteWorkspace):
        return apply_texts(workspace, sent_files(path))
    found = read_definitions(path, workspace.settings.limits, drafts=True)
    return apply_definitions(workspace, found)


@over("POST", "/definitions")
def apply_texts(workspace: Workspace, files: list[TextFile]) -> list[AppliedSegment]:
    """Create or change the segments and measures of files that were sent, all or none.

    Raises:
        InvalidInput, Conflict: as for `apply_segments`.
    """
    found = read_texts(files, workspace.settings.limits, drafts=True)
    return apply_definitions(workspace, found)


def apply_definitions(
    workspace: Workspace,
    found: Definitions,
    *,
    expected: Mapping[str, int] | None = None,
    expected_measures: Mapping[str, int] | None = None,
) -> list[AppliedSegment]:
    """Create or change what was read, all or none; measures come first.

    `expected` names the revision that segments must still have, 0 for one that must not exist;
    `expected_measures` that of measures.

    Raises:
        InvalidInput: with every problem, of form and against the catalog; those of drafts are warnings.
        Conflict: there is no catalog yet.
        ChangedMeanwhile: a segment or measure is not at the revision expected.
    """
    with transaction(workspace.database) as connection:
        return bring_definitions(
            connection,
            workspace,
            found,
            expected=expected,
            expected_measures=expected_measures,
        )


def bring_definitions(
    connection: Connection,
    workspace: Workspace,
    found: Definitions,
    *,
    expected: Mapping[str, int] | None = None,
    expected_measures: Mapping[str, int] | None = None,
) -> list[AppliedSegment]:
    """Do in a transaction of the caller what `apply_definitions` does, which says what is raised."""
    limits = workspace.settings.limits
    # what is checked here is still so when it is saved: nobody else saves meanwhile
    lock_saving(connection)
    found = uncovered(workspace, connection, found)
    documents = found.documents
    saved = {record.name: record for record in storage.list_segments(connection)}
    _still_expected(saved, expected or {}, kind="segment")
    if expected_measures:
        known_measures = {record.name: record for record in list_measures(connection)}
        _still_expected(known_measures, expected_measures, kind="measure")
    _require_exempting(workspace, saved, documents)
    catalog = catalog_for(connection, found)
    known = known_with(known_definitions(connection), found)
    problems = found.problems + measure_problems(connection, found, catalog, known, limits)
    checked = _placed(found.segments, check_folder(documents, catalog, limits=limits, known=known))
    drafts = {document.name for document in documents if document.state == "draft"}
    problems += [p for name, own in checked.items() if name not in drafts for p in own]
    refuse(problems)
    warned = rule_warnings(workspace, connection, found, catalog, known)
    measures = apply_measures(connection, list(found.named_measures.values()))
    changes = storage.apply_segments(connection, documents, actor=workspace.actor)
    _record(connection, workspace, "measure", measures)
    changes += [
        (draft.name, save_draft(connection, draft, actor=workspace.actor)) for draft in found.drafts
    ]
    checked |= {draft.name: draft.problems for draft in found.drafts}
    _record(connection, workspace, "segment", changes)
    return [
        *(
            AppliedSegment(name=name, kind="measure", change=change, warnings=warned.measures[name])
            for name, change in measures
        ),
        *(
            AppliedSegment(
                name=name, change=change, warnings=checked[name] + warned.segments.get(name, [])
            )
            for name, change in changes
        ),
    ]


def _still_expected(
    saved: Mapping[str, SegmentRecord] | Mapping[str, MeasureRecord],
    expected: Mapping[str, int],
    *,
    kind: str,
) -> None:
    for name, rev in expected.items():
        if (saved[name].rev if name in saved else 0) != rev:
            raise ChangedMeanwhile(
                f"The {kind} `{name}` was changed by somebody else meanwhile.",
                hint="Read it again and repeat your change.",
            )


def _require_exempting(
    workspace: Workspace,
    saved: Mapping[str, SegmentRecord],
    documents: Sequence[SegmentDocument],
) -> None:
    """Let nobody but administrators say which segments automatic clean-up leaves alone."""
    for document in documents:
        before = saved[document.name].stored if document.name in saved else {}
        if before.get("auto_cleanup", True) != document.auto_cleanup:
            require_administrator(workspace, "say which segments automatic clean-up leaves alone")


def _record(
    connection: Connection, workspace: Workspace, kind: str, changes: Sequence[tuple[str, str]]
) -> None:
    for change in ("created", "changed"):
        names = [name for name, what in changes if what == change]
        audit.record(connection, workspace.actor, f"{kind}.{change}", names)


def _placed(found: list[WrittenSegment], problems: list[list[Problem]]) -> dict[str, list[Problem]]:
    """Return problems by segment, each with where it was written."""
    return {
        segment.document.name: [segment.written.place(problem) for problem in own]
        for segment, own in zip(found, problems, strict=True)
    }
