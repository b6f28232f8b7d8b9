"""Automatic clean-up: what nothing uses any more becomes inactive, once a day, by whichever scheduler looks first.

A segment is unused where no export, membership feed or other segment names it, be that one active, inactive or a
draft. It is cleaned up once it was neither created nor changed for so many days, unless it is exempt. Only active
segments are looked at. Everything happens in one transaction under the lock of saving, so nobody can begin to use
what is being switched off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, text

from muster_core.rules.document import CLEANUP_TAG, SegmentDocument
from muster_core.rules.draft import texts_of
from muster_core.rules.reference import measures_of
from muster_core.settings import Settings
from muster_core.storage import audit
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import apply_segments
from muster_core.storage.service_setting import service_settings

#: What clean-up puts on measures.
MEASURE_TAG = "SystemDeactivated"
#: Who cleans up, in the audit and in the versions of a segment.
ACTOR = "automatic clean-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """Something that nothing uses, and since when it is as it is."""

    kind: str
    name: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What a clean-up made inactive, or would."""

    at: datetime
    days: int
    found: list[Unused]

    def names(self, kind: str) -> list[str]:
        """Return the names of one kind."""
        return [one.name for one in self.found if one.kind == kind]


# A definition that this release cannot read is left as it is.
_SEGMENTS = text("""
SELECT s.name, greatest(s.created_at, s.updated_at) AS changed_at, s.document
  FROM segment s
 WHERE s.deleted_at IS NULL AND s.state = 'active'
   AND coalesce(s.document->>'auto_cleanup', 'true') = 'true'
   AND greatest(s.created_at, s.updated_at) < clock_timestamp() - CAST(:age AS interval)
   AND NOT EXISTS (SELECT 1 FROM export_segment l WHERE l.segment_id = s.id)
   AND NOT EXISTS (SELECT 1 FROM export e WHERE jsonb_exists(e.document->'suppress', s.name))
   AND NOT EXISTS (SELECT 1 FROM segment_reference r JOIN segment u ON u.id = r.segment_id
                    WHERE r.referred_id = s.id AND u.deleted_at IS NULL)
 ORDER BY s.name
""")

_MEASURES = text("""
SELECT name, greatest(created_at, updated_at) AS changed_at
  FROM measure
 WHERE deleted_at IS NULL AND deactivated_at IS NULL AND NOT name = ANY(:used)
   AND greatest(created_at, updated_at) < clock_timestamp() - CAST(:age AS interval)
 ORDER BY name
""")

_DOCUMENTS = text("SELECT document FROM segment WHERE deleted_at IS NULL")

_DEACTIVATE_MEASURES = text("""
UPDATE measure SET deactivated_at = clock_timestamp() WHERE name = ANY(:names)
""")

# One row, so that of several schedulers one takes the turn; the others see that it was taken.
_TURN = text("""
INSERT INTO setting (name, value) VALUES ('cleanup', jsonb_build_object('at', clock_timestamp()))
ON CONFLICT (name) DO UPDATE
   SET value = excluded.value, changed_at = clock_timestamp()
 WHERE setting.changed_at <= clock_timestamp() - CAST(:every AS interval)
RETURNING name
""")


def clean_up(
    connection: Connection, *, days: int, actor: str = ACTOR, dry_run: bool = False
) -> Cleaned:
    """Make inactive what nothing uses and nobody changed for `days`; with `dry_run` only say what that is.

    `actor` is who asked for it, as the audit names them.
    """
    lock_saving(connection)
    age = timedelta(days=days)
    at: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    used, perhaps = _measures_and_more(connection)
    segments = [
        (row.name, row.changed_at, document)
        for row in connection.execute(_SEGMENTS, {"age": age})
        if row.name not in perhaps and (document := _readable(row.document)) is not None
    ]
    given = {"used": sorted(used | perhaps), "age": age}
    measures = list(connection.execute(_MEASURES, given))
    found = [
        *(Unused(kind="segment", name=name, changed_at=then) for name, then, _ in segments),
        *(Unused(kind="measure", name=row.name, changed_at=row.changed_at) for row in measures),
    ]
    cleaned = Cleaned(at=at, days=days, found=found)
    if not dry_run:
        _deactivate(connection, [document for _, _, document in segments], cleaned, actor)
    return cleaned


def clean_up_daily(
    connection: Connection, environment: Settings, *, every: timedelta = timedelta(days=1)
) -> Cleaned | None:
    """Clean up where that is switched on and the last time was a day ago; None where it was not time."""
    known = service_settings(connection, environment)
    if not known.cleanup or connection.scalar(_TURN, {"every": every}) is None:
        return None
    return clean_up(connection, days=known.cleanup_days)


def _deactivate(
    connection: Connection,
    documents: Sequence[SegmentDocument],
    cleaned: Cleaned,
    actor: str,
) -> None:
    switched_off = [
        document.model_copy(update={"state": "inactive", "tags": (*document.tags, CLEANUP_TAG)})
        for document in documents
    ]
    apply_segments(connection, switched_off, actor=actor)
    connection.execute(_DEACTIVATE_MEASURES, {"names": cleaned.names("measure")})
    detail = {"days": cleaned.days}
    for kind in ("segment", "measure"):
        audit.record(connection, actor, f"{kind}.cleaned_up", cleaned.names(kind), detail)


def _measures_and_more(connection: Connection) -> tuple[set[str], set[str]]:
    """Return the measures that segments use, drafts and inactive ones included, and what others may name.

    Those others are drafts whose form is wrong, and what another release wrote: every text in them counts.
    """
    used: set[str] = set()
    perhaps: set[str] = set()
    for stored in connection.scalars(_DOCUMENTS):
        document = _readable(stored)
        if document is None:
            perhaps.update(texts_of(stored))
        else:
            used |= measures_of(document)
    return used, perhaps


def _readable(stored: Any) -> SegmentDocument | None:
    try:
        return SegmentDocument.model_validate(stored)
    except ValidationError:
        return None
