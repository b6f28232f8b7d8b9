"""References between saved segments, and how those referred to stand when a batch is planned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from muster_core.lake.manifest import Pointer
from muster_core.rules.document import SegmentDocument
from muster_core.rules.reference import members_of
from muster_core.runs.freshness import Standing
from muster_core.storage.definition_table import segment, segment_reference

#: Any constant will do; all that save definitions must use the same.
_LOCK = 0x73617665


def lock_saving(connection: Connection) -> None:
    """Let one transaction at a time save definitions: what was checked stays true until it commits.

    Two that save at once could otherwise close a circle of references together. Taken before any row is
    locked; whoever refreshes or publishes does not wait for it.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def policies_of(document: SegmentDocument) -> dict[str, str]:
    """Return the policy for every segment referred to: skip where one of the references says so."""
    found: dict[str, str] = {}
    for _, node in members_of(document):
        if found.get(node.name) != "skip":
            found[node.name] = node.policy
    return found


def save_references(connection: Connection, documents: Collection[SegmentDocument]) -> None:
    """Make the stored references those of the documents, whose segments are saved already.

    Names of segments that do not exist are left out: only a draft may hold them.
    """
    names = {document.name for document in documents}
    wanted = [
        (document.name, referred, policy)
        for document in documents
        for referred, policy in policies_of(document).items()
    ]
    names |= {referred for _, referred, _ in wanted}
    rows = connection.execute(
        sa.select(segment.c.name, segment.c.id).where(segment.c.name.in_(names))
    )
    ids = {row.name: row.id for row in rows}
    connection.execute(
        segment_reference.delete().where(
            segment_reference.c.segment_id.in_([ids[document.name] for document in documents])
        )
    )
    found = [
        {"segment_id": ids[user], "referred_id": ids[referred], "policy": policy}
        for user, referred, policy in wanted
        if referred in ids
    ]
    if found:
        connection.execute(insert(segment_reference), found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """A segment that runs of a batch refer to: how it stands, and where its last members are."""

    name: str
    standing: Standing
    pointer: Pointer | None
    as_of: datetime | None
    published_at: datetime | None
    #: Seconds from the publication to now, by the database's clock.
    age_seconds: float | None


# The newest run is looked at that says something about the members: not one skipped for another's sake.
_REFERRED = text("""
SELECT s.name, s.state, s.type, s.deleted_at IS NOT NULL AS deleted,
       -- of a segment that was deleted long ago and came back, the members are no longer kept
       CASE WHEN p.segment_id IS NOT NULL THEN s.published_version END AS version,
       s.published_due_at, s.next_due_at, r.state AS run_state, r.due_at AS run_due_at,
       n.generation IS NULL OR n.generation = :generation AS readable,
       p.manifest, p.manifest_sha256, p.bit, v.as_of, v.published_at,
       CAST(extract(epoch FROM clock_timestamp() - v.published_at) AS double precision) AS age_seconds
  FROM segment s
  LEFT JOIN membership_version v ON v.segment_id = s.id AND v.version = s.published_version
  LEFT JOIN membership_pointer p ON p.segment_id = s.id AND p.version = s.published_version
  LEFT JOIN snapshot n ON n.id = v.snapshot_id
  LEFT JOIN LATERAL (
        SELECT q.state, q.due_at FROM refresh_run q
         WHERE q.segment_id = s.id AND q.state <> 'superseded'
           AND NOT (q.state = 'skipped'
                    AND q.reason IN ('overlap', 'misfire', 'inactive', 'static'))
         ORDER BY q.due_at DESC LIMIT 1) r ON true
 WHERE s.name = ANY(:names)
""")


def referred_segments(
    connection: Connection, names: Collection[str], *, generation: int
) -> Mapping[str, Referred]:
    """Return how the segments of these names stand, for a store of this generation; unknown ones are left out."""
    if not names:
        return {}
    rows = connection.execute(_REFERRED, {"names": sorted(names), "generation": generation})
    found: dict[str, Referred] = {}
    for row in rows.mappings():
        pointer = None
        if row["manifest"] is not None:
            pointer = Pointer(
                manifest=row["manifest"], manifest_sha256=row["manifest_sha256"], bit=row["bit"]
            )
        standing = Standing(**{name: row[name] for name in Standing.__slots__})
        found[row["name"]] = Referred(
            name=row["name"],
            standing=standing,
            pointer=pointer,
            as_of=row["as_of"],
            published_at=row["published_at"],
            age_seconds=row["age_seconds"],
        )
    return found
