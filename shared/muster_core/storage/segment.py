"""Segments in the control database: their document, its revisions, and when they are due next."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from muster_core.errors import InvalidInput
from muster_core.rules.canonical import rule_hash
from muster_core.rules.document import CronSchedule, SegmentDocument
from muster_core.rules.reference import measures_of
from muster_core.schedules.cron import next_due
from muster_core.schedules.schedule import Schedule, ScheduleKind, read_schedule, stored_schedule
from muster_core.storage.catalog import current_catalog
from muster_core.storage.definition_table import measure, segment, segment_revision
from muster_core.storage.nearest import require_segments
from muster_core.storage.reference import lock_saving, save_references

Change = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """A segment with its latest published version and its latest run."""

    id: int
    name: str
    type: str
    state: str
    #: None where this release cannot read what is stored.
    document: SegmentDocument | None
    #: The document as JSON, as it is stored.
    written: str
    rev: int
    rule_hash: str
    schedule: Schedule
    schedule_error: str | None
    next_due_at: datetime | None
    version: int | None
    member_count: int | None
    #: When the members shown were published, and the instant they were evaluated at.
    published_at: datetime | None
    as_of: datetime | None
    run_id: int | None
    run_state: str | None
    run_reason: str | None
    run_attempt: int | None
    run_error: str | None
    #: Who created it, as the audit names them.
    owner: str | None
    #: Whether the run used members of a segment that were not fresh.
    run_warned: bool
    created_at: datetime
    updated_at: datetime

    @property
    def stored(self) -> dict[str, Any]:
        """Return the document as it is stored, a copy of its own each time."""
        read: dict[str, Any] = json.loads(self.written)
        return read


def document_json(document: SegmentDocument) -> dict[str, Any]:
    """Return the document as it is stored: what was written, without what was left to default."""
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)


def apply_segment(
    connection: Connection, document: SegmentDocument, *, actor: str | None = None
) -> Change:
    """Create the segment or bring it to what `document` says; a document that says the same changes nothing.

    Published members stay until the next refresh. A deleted segment of the same name comes back with its
    history: versions go on counting.

    Raises:
        InvalidInput: its schedule is not one; a draft is saved all the same.
    """
    return apply_segments(connection, [document], actor=actor)[0][1]


def _apply(connection: Connection, document: SegmentDocument, actor: str | None) -> Change:
    wanted = document_json(document)
    schedule = _schedule(connection, document)
    row = {
        "type": str(document.type),
        "state": str(document.state),
        "document": wanted,
        "rule_hash": rule_hash(document),
        "schedule": schedule.to_json(),
    }
    created = connection.execute(
        insert(segment)
        .values(name=document.name, owner=actor, **row)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(segment.c.id)
    ).one_or_none()
    if created is not None:
        if schedule.cron is not None:
            _plan(connection, created.id, row, schedule)
        keep_revision(connection, created.id, 1, row, actor)
        return "created"
    stored = connection.execute(
        sa.select(segment).where(segment.c.name == document.name).with_for_update(key_share=True)
    ).one()
    if (
        stored.deleted_at is None
        and stored.document == wanted
        and stored.schedule == row["schedule"]
    ):
        return "unchanged"
    owner = stored.owner if stored.deleted_at is None else actor
    connection.execute(
        segment.update()
        .where(segment.c.id == stored.id)
        .values(
            **row,
            rev=stored.rev + 1,
            updated_at=sa.func.clock_timestamp(),
            deleted_at=None,
            owner=owner,
        )
    )
    keep_revision(connection, stored.id, stored.rev + 1, row, actor)
    on_time = ("schedule", "state", "type")
    if stored.deleted_at is not None or any(row[key] != getattr(stored, key) for key in on_time):
        _plan(connection, stored.id, row, schedule)
    return "created" if stored.deleted_at is not None else "changed"


def apply_segments(
    connection: Connection, documents: Sequence[SegmentDocument], *, actor: str | None = None
) -> list[tuple[str, Change]]:
    """Apply several documents in one transaction; return (name, what happened) in their order.

    `actor` is kept as who made the change. The documents may refer to each other. Existing
    segments are locked in id order first, as publishing does, so that neither waits for the other in a circle.

    Raises:
        InvalidInput: a schedule is not one.
    """
    lock_saving(connection)
    connection.execute(
        sa.select(segment.c.id)
        .where(segment.c.name.in_([document.name for document in documents]))
        .order_by(segment.c.id)
        .with_for_update(key_share=True)
    )
    changes = [(document.name, _apply(connection, document, actor)) for document in documents]
    save_references(connection, documents)
    _use_measures(connection, documents)
    return changes


def _use_measures(connection: Connection, documents: Sequence[SegmentDocument]) -> None:
    """Take back that clean-up switched off measures which are used from now on."""
    names = {name for document in documents for name in measures_of(document)}
    if names:
        connection.execute(
            measure.update()
            .where(measure.c.name.in_(names), measure.c.deactivated_at.is_not(None))
            .values(deactivated_at=None)
        )


def get_segment(connection: Connection, name: str) -> SegmentRecord:
    """Return the segment called `name`.

    Raises:
        NotFound: there is none; the message names the nearest ones.
    """
    require_segments(connection, [name])
    return _record(connection.execute(_RECORDS, {"names": [name]}).mappings().one())


def list_segments(
    connection: Connection, names: Collection[str] | None = None
) -> list[SegmentRecord]:
    """Return every segment that is not deleted, or those of these names, by name."""
    given = None if names is None else list(names)
    return [_record(row) for row in connection.execute(_RECORDS, {"names": given}).mappings()]


_RECORDS = text("""
SELECT s.id, s.name, s.type, s.state, CAST(s.document AS text) AS written, s.rev, s.rule_hash, s.schedule, s.schedule_error,
       s.next_due_at, s.published_version AS version, v.member_count, v.published_at, v.as_of,
       r.id AS run_id, r.state AS run_state, r.reason AS run_reason, r.attempt AS run_attempt,
       r.error AS run_error, coalesce(r.warned, false) AS run_warned, s.owner, s.created_at,
       s.updated_at
  FROM segment s
  LEFT JOIN membership_version v ON v.segment_id = s.id AND v.version = s.published_version
  LEFT JOIN LATERAL (
        SELECT id, state, reason, attempt, error,
               jsonb_path_exists(inputs, '$.segments[*].reason ? (@ != null)') AS warned
          FROM refresh_run q
         WHERE q.segment_id = s.id ORDER BY q.due_at DESC LIMIT 1) r ON true
 WHERE s.deleted_at IS NULL AND (CAST(:names AS text[]) IS NULL OR s.name = ANY(:names))
 ORDER BY s.name
""")


#: Documents by what is stored: lists of a thousand are asked for often, and change seldom. Their JSON is not even
#: decoded again: hundreds of thousands of small objects would keep the garbage collector busy.
_READ: dict[str, SegmentDocument | None] = {}
_MOST_READ = 4_096


def _record(row: sa.RowMapping) -> SegmentRecord:
    return SegmentRecord(
        **{
            **row,
            "document": _document(row["written"]),
            "schedule": stored_schedule(row["schedule"]),
        }
    )


def _document(written: str) -> SegmentDocument | None:
    if written not in _READ:
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        # not read back from there: another thread may have cleared it
        found = _READ[written] = _readable(written)
        return found
    return _READ.get(written) or _readable(written)


def _readable(written: str) -> SegmentDocument | None:
    try:
        return SegmentDocument.model_validate(json.loads(written))
    except ValidationError:
        return None


def _schedule(connection: Connection, document: SegmentDocument) -> Schedule:
    """Return the document's schedule; a cron without zone is in the segment's, else the catalog's."""
    zone = document.timezone
    cron = document.schedule
    if zone is None and isinstance(cron, CronSchedule) and cron.timezone is None:
        catalog = current_catalog(connection)
        zone = None if catalog is None else catalog[1].timezone
    written = document.model_dump(mode="json", by_alias=True, include={"schedule"})["schedule"]
    try:
        return read_schedule(written, timezone=zone or "UTC")
    except InvalidInput:
        if document.state != "draft" or not isinstance(cron, CronSchedule):
            raise
        # a draft is kept as it was written: it is never due
        return Schedule(
            kind=ScheduleKind.CRON, cron=cron.cron, timezone=cron.timezone or zone or "UTC"
        )


def _plan(connection: Connection, segment_id: int, row: dict[str, Any], schedule: Schedule) -> None:
    """Compute the next due instant from now, by the database's clock."""
    due = None
    due_by_itself = row["state"] == "active" and row["type"] != "static"
    cron = schedule.times() if due_by_itself else None
    if cron is not None:
        now: datetime = connection.scalar(text("SELECT clock_timestamp()"))
        due = next_due(cron, now)
    connection.execute(
        segment.update()
        .where(segment.c.id == segment_id)
        .values(next_due_at=due, schedule_error=None)
    )


def keep_revision(
    connection: Connection, segment_id: int, rev: int, row: dict[str, Any], actor: str | None
) -> None:
    """Keep a definition as it stands after a change that `actor` made; `row` is what the segment has."""
    connection.execute(
        segment_revision.insert().values(
            segment_id=segment_id,
            rev=rev,
            rule_hash=row["rule_hash"],
            document=row["document"],
            actor=actor,
        )
    )
