"""Changing the definitions of many segments at once: each for itself, with a result of its own.

What a change does to one document is a pure function, see `muster_console.operation.edit`. The rules are held
against the catalog only where a segment becomes active: what was accepted before may always be renamed, tagged
or switched off, whatever has become of the catalog since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from muster_console.operation.definition import known_definitions
from muster_console.operation.result import Results, SegmentResult
from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.errors import (
    ChangedMeanwhile,
    InvalidInput,
    MusterError,
    Problem,
    UnreadableSegment,
)
from muster_core.rules.check import check_folder
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.limit import Limits
from muster_core.storage import audit
from muster_core.storage import segment as storage
from muster_core.storage.database import transaction
from muster_core.storage.nearest import require_segments
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import SegmentRecord
from muster_core.storage.segment_use import segment_uses

#: Segments changed in one transaction: others who save wait for it.
_AT_ONCE = 200

#: Returns the document as it is to be; raises a `MusterError` where the change does not fit the segment.
Edit = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done to each document, and what the audit calls it."""

    edit: Edit
    #: Such as ``segment.tagged``.
    action: str
    detail: Mapping[str, Any]


def change_segments(
    workspace: Workspace,
    names: Iterable[str],
    change: Change,
    *,
    expected: Mapping[str, int] | None = None,
) -> list[SegmentResult]:
    """Change the documents of the named segments; return a result for each, in their order.

    `expected` names the revisions that segments must still have.
    """
    results: list[SegmentResult] = []
    each = list(dict.fromkeys(names))
    for start in range(0, len(each), _AT_ONCE):
        some = each[start : start + _AT_ONCE]
        with transaction(workspace.database) as connection:
            results += _change(connection, workspace, some, change, expected or {})
    return results


def _change(
    connection: Connection,
    workspace: Workspace,
    names: Sequence[str],
    change: Change,
    expected: Mapping[str, int],
) -> list[SegmentResult]:
    # what is read here is still so when it is saved: nobody else saves meanwhile
    lock_saving(connection)
    records = {record.name: record for record in storage.list_segments(connection, names)}
    limits = workspace.settings.limits
    results = Results(connection)
    documents: dict[str, SegmentDocument] = {}
    for name in names:
        with results.of(name):
            record = expected_record(connection, records, name, expected)
            documents[name] = _edited(record, change.edit, limits)
    _refuse_broken(connection, documents, records, results, limits)
    changes = storage.apply_segments(connection, list(documents.values()), actor=workspace.actor)
    changed = [name for name, what in changes if what != "unchanged"]
    audit.record(connection, workspace.actor, change.action, changed, change.detail)
    switched_off = [
        name for name in changed if documents[name].state == "inactive" != records[name].state
    ]
    used = segment_uses(connection, switched_off)
    for name, what in changes:
        warnings = []
        if name in used and used[name].used:
            message = f"the segment {name} is used by {used[name].text()}"
            hint = "they go on with its last members"
            warnings.append(Problem(message=message, hint=hint))
        results.add(name, what, warnings=warnings)
    return [results.found[name] for name in names]


def expected_record(
    connection: Connection,
    records: Mapping[str, SegmentRecord],
    name: str,
    expected: Mapping[str, int],
) -> SegmentRecord:
    """Return the segment of this name from those that were read.

    Raises:
        NotFound: there is none; the hint names the nearest ones.
        ChangedMeanwhile: it is not at the revision expected.
    """
    if name not in records:
        require_segments(connection, [name])
    record = records[name]
    if expected.get(name, record.rev) != record.rev:
        raise ChangedMeanwhile(
            f"The segment `{name}` was changed by somebody else meanwhile.",
            hint="Read it again and repeat your change.",
        )
    return record


def _edited(record: SegmentRecord, edit: Edit, limits: Limits) -> SegmentDocument:
    if record.document is None and record.state != "draft":
        raise UnreadableSegment
    return parse_segment(edit(dict(record.stored)), limits=limits)


def _refuse_broken(
    connection: Connection,
    documents: dict[str, SegmentDocument],
    records: Mapping[str, SegmentRecord],
    results: Results,
    limits: Limits,
) -> None:
    """Take out of `documents` what would become active and does not fit the catalog."""
    activated = {
        name: document
        for name, document in documents.items()
        if document.state == "active" != records[name].state
    }
    if not activated:
        return
    wrong: dict[str, MusterError] = {}
    try:
        catalog = required_catalog(connection)
    except MusterError as exc:
        wrong = dict.fromkeys(activated, exc)
    else:
        checked = check_folder(
            list(activated.values()),
            catalog,
            limits=limits,
            known=known_definitions(connection),
        )
        wrong = {
            name: InvalidInput(problems)
            for name, problems in zip(activated, checked, strict=True)
            if problems
        }
    for name, error in wrong.items():
        del documents[name]
        with results.of(name):
            raise error
