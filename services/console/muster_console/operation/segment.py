"""Listing segments, showing one with its counts and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection

from muster_console.operation.hidden import covered_segment, veil_of
from muster_console.operation.remote import over
from muster_console.operation.run import run_json, run_of
from muster_console.operation.workspace import (
    Workspace,
)
from muster_core.errors import UnreadableSegment
from muster_core.rules.document import SegmentDocument
from muster_core.rules.expression.render import render_expression
from muster_core.rules.sentence import sentence
from muster_core.runs.status import Status, explain
from muster_core.schedules.schedule import Schedule, ScheduleKind
from muster_core.storage import segment as storage
from muster_core.storage.database import transaction
from muster_core.storage.membership import published_membership
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
