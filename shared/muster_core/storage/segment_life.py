"""The life of segments: deleted and restored, and the revisions that their definitions went through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text

from muster_core.errors import Conflict, NotFound
from muster_core.rules.document import SegmentDocument
from muster_core.spelling import name_hint
from muster_core.storage.definition_table import segment, segment_revision
from muster_core.storage.delivery_event import withdraw_waiting
from muster_core.storage.export_table import delivery
from muster_core.storage.nearest import require_segments
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import apply_segments
from muster_core.storage.segment_use import SegmentUse, listed, segment_uses

#: A deleted segment can be taken back for so long.
RESTORABLE = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A definition as it stood after one change; `actor` None where nobody kept who made it."""

    rev: int
    at: datetime
    actor: str | None
    rule_hash: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedSegment:
    """A segment that was deleted and can still be taken back."""

    name: str
    document: dict[str, Any]
    owner: str | None
    deleted_at: datetime
    #: Until when it can be restored.
    until: datetime


def delete_segment(connection: Connection, name: str, *, force: bool = False) -> SegmentUse:
    """Mark the segment deleted and return who used it; its waiting runs and deliveries end as cancelled.

    With `force` its users keep it in their definitions, as a segment that is not there: what refers to it
    is evaluated with its last members or skipped, as the reference says, and exports leave it out.

    Raises:
        NotFound: there is no such segment.
        Conflict: exports deliver it, or segments that are no drafts refer to it; the message names them.
    """
    lock_saving(connection)
    require_segments(connection, [name])
    # linking an export to the segment waits for this lock
    locked = sa.select(segment.c.id).where(segment.c.name == name).with_for_update()
    segment_id: int = connection.execute(locked).scalar_one()
    use = segment_uses(connection, [name])[name]
    exports = use.exports + use.feeds
    if exports and not force:
        raise Conflict(
            f"The segment `{name}` is delivered by {listed(exports)}.",
            hint="Take it out of these exports first, or force it.",
        )
    if use.segments and not force:
        raise Conflict(
            f"The segment `{name}` is referred to by {listed(use.segments)}.",
            hint="Take it out of their rules first, or force it.",
        )
    connection.execute(
        segment.update()
        .where(segment.c.id == segment_id)
        .values(deleted_at=sa.func.clock_timestamp(), next_due_at=None)
    )
    withdraw_waiting(connection, delivery.c.segment_id == segment_id, actor="segment deleted")
    return use


_DELETED = text("""
SELECT name, document, owner, deleted_at, deleted_at + CAST(:kept AS interval) AS until
  FROM segment WHERE deleted_at > clock_timestamp() - CAST(:kept AS interval)
   AND (CAST(:name AS text) IS NULL OR name = :name)
 ORDER BY name
""")


def deleted_segments(connection: Connection, *, name: str | None = None) -> list[DeletedSegment]:
    """Return the segments that can be taken back, by name; with `name` those of this name alone."""
    rows = connection.execute(_DELETED, {"kept": RESTORABLE, "name": name}).mappings()
    return [DeletedSegment(**row) for row in rows]


def get_deleted(connection: Connection, name: str) -> DeletedSegment:
    """Return a segment that can be taken back.

    Raises:
        NotFound: none of this name was deleted in the last 30 days.
        Conflict: there is a segment of this name.
    """
    found = deleted_segments(connection, name=name)
    if found:
        return found[-1]
    here = sa.select(segment.c.id).where(segment.c.name == name, segment.c.deleted_at.is_(None))
    if connection.scalar(here) is not None:
        raise Conflict(f"The segment `{name}` is not deleted.")
    raise NotFound(
        f"No segment `{name}` was deleted in the last {RESTORABLE.days} days.",
        hint=name_hint(
            name,
            [one.name for one in deleted_segments(connection)],
            "`muster segment list --deleted` shows those that can be restored.",
        ),
    )


def restore_segment(
    connection: Connection, found: DeletedSegment, document: SegmentDocument, *, actor: str
) -> None:
    """Take a deleted segment back as `document` says, with its history and its owner."""
    apply_segments(connection, [document], actor=actor)
    kept = segment.update().where(segment.c.name == found.name).values(owner=found.owner)
    connection.execute(kept)


def list_revisions(connection: Connection, name: str) -> list[Revision]:
    """Return every revision of a segment's definition, the newest first.

    Raises:
        NotFound: there is no such segment.
    """
    require_segments(connection, [name])
    rows = connection.execute(
        sa.select(
            segment_revision.c.rev,
            segment_revision.c.created_at.label("at"),
            segment_revision.c.actor,
            segment_revision.c.rule_hash,
            segment_revision.c.document,
        )
        .join(segment, segment.c.id == segment_revision.c.segment_id)
        .where(segment.c.name == name)
        .order_by(segment_revision.c.rev.desc())
    ).mappings()
    return [Revision(**row) for row in rows]


def get_revision(connection: Connection, name: str, rev: int) -> Revision:
    """Return one revision of a segment's definition.

    Raises:
        NotFound: there is no such segment or revision.
    """
    revisions = list_revisions(connection, name)
    for found in revisions:
        if found.rev == rev:
            return found
    raise NotFound(
        f"The segment `{name}` has no revision {rev}.",
        hint=f"It has the revisions 1 to {revisions[0].rev}: `muster segment versions {name}`.",
    )
