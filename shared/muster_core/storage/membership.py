"""Where the members of a segment's published versions are, and what they were computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict, NotFound
from muster_core.lake.manifest import Pointer
from muster_core.spelling import name_hint
from muster_core.storage.definition_table import segment, segment_revision
from muster_core.storage.run_table import membership_pointer, membership_version
from muster_core.storage.store_table import snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One published version: its figures, its bits, and the snapshot whose ordinals they count."""

    segment: str
    version: int
    run_id: int
    as_of: datetime
    published_at: datetime
    member_count: int
    joined: int
    left: int
    pointer: Pointer
    snapshot: str
    snapshot_sha256: str
    #: Whether the snapshot may be gone.
    expired: bool
    #: The segment as this version was evaluated by it.
    definition: Mapping[str, Any]


def published_membership(
    connection: Connection, name: str, version: int | None = None
) -> Membership:
    """Return a published version of the segment called `name`, by default the latest.

    Raises:
        NotFound: there is no such segment, or it has no such version.
        Conflict: it has never been published, or the members of this version are no longer kept.
    """
    known = connection.execute(
        sa.select(segment.c.id).where(segment.c.name == name, segment.c.deleted_at.is_(None))
    ).one_or_none()
    if known is None:
        names = connection.scalars(sa.select(segment.c.name).where(segment.c.deleted_at.is_(None)))
        raise NotFound(
            f"There is no segment `{name}`.",
            hint=name_hint(name, names, "`muster segment list` shows all."),
        )
    row = connection.execute(
        sa.select(
            membership_version,
            segment_revision.c.document,
            membership_pointer.c.manifest,
            membership_pointer.c.manifest_sha256,
            membership_pointer.c.bit,
            snapshot.c.manifest.label("snapshot_manifest"),
            snapshot.c.manifest_sha256.label("snapshot_sha256"),
            snapshot.c.expired_at,
        )
        .join_from(
            segment,
            membership_version,
            sa.and_(
                membership_version.c.segment_id == segment.c.id,
                membership_version.c.version
                == (segment.c.published_version if version is None else version),
            ),
        )
        .join(
            membership_pointer,
            sa.and_(
                membership_pointer.c.segment_id == membership_version.c.segment_id,
                membership_pointer.c.version == membership_version.c.version,
            ),
        )
        .join(
            segment_revision,
            sa.and_(
                segment_revision.c.segment_id == membership_version.c.segment_id,
                segment_revision.c.rev == membership_version.c.rule_rev,
            ),
        )
        .join(snapshot, snapshot.c.id == membership_version.c.snapshot_id)
        .where(segment.c.id == known.id)
    ).one_or_none()
    if row is None and version is not None:
        raise _no_version(connection, known.id, name, version)
    if row is None:
        raise Conflict(
            f"The segment `{name}` has no members yet: it was never refreshed.",
            hint=f"Refresh it: `muster segment refresh {name} --wait`.",
        )
    return Membership(
        segment=name,
        version=row.version,
        run_id=row.run_id,
        as_of=row.as_of,
        published_at=row.published_at,
        member_count=row.member_count,
        joined=row.joined,
        left=row.left,
        pointer=Pointer(manifest=row.manifest, manifest_sha256=row.manifest_sha256, bit=row.bit),
        snapshot=row.snapshot_manifest,
        snapshot_sha256=row.snapshot_sha256,
        expired=row.expired_at is not None,
        definition=row.document,
    )


def _no_version(
    connection: Connection, segment_id: int, name: str, version: int
) -> NotFound | Conflict:
    """Return why the members of a version cannot be read."""
    numbers = sa.select(membership_version.c.version).where(
        membership_version.c.segment_id == segment_id
    )
    if version in set(connection.scalars(numbers)):
        return Conflict(
            f"The members of version {version} of the segment `{name}` are no longer kept.",
            hint="`MUSTER_VERSIONS_KEPT` says of how many versions they are.",
        )
    return NotFound(
        f"The segment `{name}` has no version {version}.",
        hint=f"`muster segment history {name}` shows those it has.",
    )
