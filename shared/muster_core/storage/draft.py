"""Saving drafts whose form is wrong: as they were written, never due, referring to nothing yet."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict
from muster_core.rules.canonical import canonical_text
from muster_core.rules.draft import RawDraft
from muster_core.schedules.schedule import OFF
from muster_core.storage.definition_table import segment, segment_reference
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import Change, keep_revision


def save_draft(connection: Connection, draft: RawDraft, *, actor: str | None = None) -> Change:
    """Save a draft as it was written; one that says the same changes nothing.

    Raises:
        Conflict: there is a segment of this name that is no draft: a slip must not stop its refreshes.
    """
    lock_saving(connection)
    row: dict[str, Any] = {
        "type": "dynamic",
        "state": "draft",
        "document": draft.data,
        "rule_hash": hashlib.sha256(canonical_text(draft.data).encode()).hexdigest(),
        "schedule": OFF.to_json(),
    }
    named = sa.select(segment).where(segment.c.name == draft.name)
    stored = connection.execute(named.with_for_update(key_share=True)).one_or_none()
    if stored is None:
        created: int = connection.execute(
            segment.insert().values(name=draft.name, owner=actor, **row).returning(segment.c.id)
        ).scalar_one()
        keep_revision(connection, created, 1, row, actor)
        return "created"
    gone = stored.deleted_at is not None
    if not gone and stored.state != "draft":
        raise Conflict(
            f"The segment `{draft.name}` is {stored.state}; what is saved of it must have no problems.",
            hint="Mend what is wrong, or save it as a draft under another name.",
        )
    if not gone and stored.document == draft.data:
        return "unchanged"
    changed = {**row, "rev": stored.rev + 1, "deleted_at": None, "next_due_at": None}
    connection.execute(
        segment.update()
        .where(segment.c.id == stored.id)
        .values(
            **changed,
            updated_at=sa.func.clock_timestamp(),
            owner=actor if gone else stored.owner,
        )
    )
    connection.execute(
        segment_reference.delete().where(segment_reference.c.segment_id == stored.id)
    )
    keep_revision(connection, stored.id, stored.rev + 1, row, actor)
    return "created" if gone else "changed"
