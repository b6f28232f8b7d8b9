"""The published versions of a segment one after the other: how many members, who came and who left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from muster_core.lake.manifest import Pointer
from muster_core.storage.nearest import require_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One published version; `joined` and `left` are as its run counted them."""

    version: int
    run_id: int
    #: The revision of the definition it was evaluated by.
    rev: int
    as_of: datetime
    published_at: datetime
    member_count: int
    joined: int
    left: int
    #: Which numbering of customers its members are in.
    generation: int
    snapshot: str
    snapshot_sha256: str
    #: Whether the data it was computed from may be gone.
    expired: bool
    #: None where its members are no longer kept.
    pointer: Pointer | None
    #: Whether it was published within the period asked for.
    inside: bool


_VERSIONS = text("""
SELECT v.version, v.run_id, v.rule_rev AS rev, v.as_of, v.published_at, v.member_count, v.joined,
       v."left", n.generation, n.manifest AS snapshot, n.manifest_sha256 AS snapshot_sha256,
       n.expired_at IS NOT NULL AS expired, p.manifest, p.manifest_sha256, p.bit,
       v.published_at > clock_timestamp() - CAST(:period AS interval) IS NOT FALSE AS inside
  FROM segment s
  JOIN membership_version v ON v.segment_id = s.id
  JOIN snapshot n ON n.id = v.snapshot_id
  LEFT JOIN membership_pointer p ON p.segment_id = v.segment_id AND p.version = v.version
 WHERE s.name = :name AND s.deleted_at IS NULL
 ORDER BY v.version
""")


def list_versions(
    connection: Connection, name: str, *, period: str | None = None
) -> list[VersionRecord]:
    """Return the versions of a segment, the oldest first, each with whether it lies in the last `period`.

    `period` is an interval in PostgreSQL's words, such as ``7 days``; None: all of time.

    Raises:
        NotFound: there is no such segment.
    """
    require_segments(connection, [name])
    rows = connection.execute(_VERSIONS, {"name": name, "period": period}).mappings()
    return [
        VersionRecord(
            **{k: v for k, v in row.items() if k not in ("manifest", "manifest_sha256", "bit")},
            pointer=None
            if row["manifest"] is None
            else Pointer(
                manifest=row["manifest"], manifest_sha256=row["manifest_sha256"], bit=row["bit"]
            ),
        )
        for row in rows
    ]
