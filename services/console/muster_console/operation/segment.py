"""Applying segments, listing them, showing one with its counts and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
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
from muster_console.operation.hidden import covered_segment, uncovered, veil_of
from muster_console.operation.remote import over
from muster_console.operation.run import run_json, run_of
from muster_console.operation.warning import rule_warnings
from muster_console.operation.workspace import (
    RemoteWorkspace,
    Workspace,
    require_administrator,
)
from muster_core.errors import ChangedMeanwhile, Problem, UnreadableSegment
from muster_core.rules.check import check_folder
from muster_core.rules.document import SegmentDocument
from muster_core.rules.expression.render import render_expression
from muster_core.rules.sentence import sentence
from muster_core.rules.text import WrittenSegment
from muster_core.runs.status import Status, explain
from muster_core.schedules.schedule import Schedule, ScheduleKind
from muster_core.storage import audit
from muster_core.storage import segment as storage
from muster_core.storage.database import transaction
from muster_core.storage.draft import save_draft
from muster_core.storage.measure import MeasureRecord, apply_measures, list_measures
from muster_core.storage.membership import published_membership
from muster_core.storage.reference import lock_saving
from muster_core.storage.run import RunRecord, get_run, list_runs
from muster_core.storage.segment import SegmentRecord
from muster_core.storage.setting import get_system_schedule

_RUNS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLine:
    """One segment as a list shows it; `members` and the times are those of the latest version."""

    name: str
    display_name: str | None
    tags: list[str]
    type: str
    state: str
    #: The revision of its definition; it grows by one with every change.
    rev: int
    status: str
    #: The reason code of the status, see docs/run-states.md.
    reason: str | None
    members: int | None
    version: int | None
    refreshed_at: datetime | None
    as_of: datetime | None
    schedule: str
    #: Its own next time, or the system refresh's where it goes with that.
    next_due_at: datetime | None
    #: Who created it, as the audit names them.
    owner: str | None
    #: Whether automatic clean-up may make it inactive.
    auto_cleanup: bool
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """How many customers one rule names, and how many are left after it."""

    number: int
    name: str | None
    combine: str | None
    members: int | None
    running: int | None
    expression: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentView:
    """One segment with everything known of it."""

    segment: SegmentLine
    document: dict[str, Any]
    #: The next due instants, the system's for a segment that follows it.
    next_times: list[datetime]
    rules: list[RuleCount]
    nodes: dict[str, int]
    runs: list[RunRecord]

    def to_json(self) -> dict[str, Any]:
        """Return the view as programs read it."""
        return asdict(self.segment) | {
            "document": self.document,
            "next_times": self.next_times,
            "rules": [asdict(rule) for rule in self.rules],
            "nodes": self.nodes,
            "runs": [run_json(run) for run in self.runs],
        }


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


@over("GET", "/segments", pages="cursor")
def list_segments(workspace: Workspace) -> list[SegmentLine]:
    """Return every segment by name."""
    with transaction(workspace.database) as connection:
        system = get_system_schedule(connection).next_due_at
        return [_line(record, system) for record in storage.list_segments(connection)]


@over("GET", "/segments/{name}", read=lambda answer: _view_of(answer))
def show_segment(workspace: Workspace, name: str) -> SegmentView:
    """Return one segment with its counts per rule and its latest runs.

    Raises:
        NotFound: there is no such segment.
    """
    with transaction(workspace.database) as connection:
        record = covered_segment(
            veil_of(workspace, connection), storage.get_segment(connection, name)
        )
        counts = _counts(connection, record)
        runs = list_runs(connection, name=name, limit=_RUNS_SHOWN)
        coming = _next_times(connection, record)
    return SegmentView(
        segment=_line(record, coming[0] if coming else None),
        document=record.stored,
        next_times=coming,
        rules=_rules(record.document, counts),
        nodes=counts.get("nodes", {}),
        runs=runs,
    )


def _view_of(answer: Mapping[str, Any]) -> SegmentView:
    runs = [run_of(run) for run in answer["runs"]]
    view: SegmentView = TypeAdapter(SegmentView).validate_python({**answer, "runs": runs})
    return view


def _next_times(connection: Connection, record: SegmentRecord) -> list[datetime]:
    if record.schedule.kind is not ScheduleKind.SYSTEM:
        return record.schedule.coming(record.next_due_at)
    if not _follows_system(record):
        return []
    system = get_system_schedule(connection)
    return system.schedule.coming(system.next_due_at)


def _follows_system(record: SegmentRecord) -> bool:
    by_itself = record.state == "active" and record.type != "static"
    return by_itself and record.schedule.kind is ScheduleKind.SYSTEM


def _counts(connection: Connection, record: SegmentRecord) -> dict[str, Any]:
    """Return the counts the latest version was published with."""
    if record.version is None:
        return {}
    version = published_membership(connection, record.name)
    return get_run(connection, version.run_id).node_counts or {}


def _rules(document: SegmentDocument | None, counts: dict[str, Any]) -> list[RuleCount]:
    if document is None:
        return []
    nodes = counts.get("nodes", {})
    running = dict(enumerate(counts.get("running", [])))
    return [
        RuleCount(
            number=number + 1,
            name=rule.name,
            combine=rule.combine,
            members=nodes.get(f"/rules/{number}"),
            running=running.get(number),
            expression=render_expression(rule.where),
            sentence=sentence(rule.where),
        )
        for number, rule in enumerate(document.rules)
    ]


def _line(record: SegmentRecord, system_due_at: datetime | None) -> SegmentLine:
    status, reason = explain(record.run_state, record.run_reason, warned=record.run_warned)
    document = record.document
    if (
        document is None and record.state != "draft"
    ):  # whatever the last run did, the next one cannot work
        status, reason = Status.FAILED, "unreadable"
    return SegmentLine(
        name=record.name,
        display_name=document.display_name if document else _text(record, "display_name"),
        tags=list(document.tags) if document else [],
        type=record.type,
        state=record.state,
        rev=record.rev,
        status=status,
        reason=reason,
        members=record.member_count,
        version=record.version,
        refreshed_at=record.published_at,
        as_of=record.as_of,
        schedule=schedule_text(record.schedule),
        next_due_at=system_due_at if _follows_system(record) else record.next_due_at,
        owner=record.owner,
        auto_cleanup=document.auto_cleanup if document else True,
        problem=_problem(record),
    )


def _text(record: SegmentRecord, field: str) -> str | None:
    found = record.stored.get(field)
    return found if isinstance(found, str) else None


def _problem(record: SegmentRecord) -> str | None:
    if record.document is None:
        draft = record.state == "draft"
        return "it is not whole yet" if draft else str(UnreadableSegment())
    return record.schedule_error or record.run_error


def schedule_text(schedule: Schedule) -> str:
    """Return a schedule in words: ``system``, ``off`` or its cron and zone."""
    return schedule.text()
