"""Snapshots of the customer store: the one in use, and the leased, fenced right to prepare the next.

`store_head` is one row. Publishing compares fence, lease and parent in the statement that moves the head, so
of two preparations on one parent exactly one succeeds and no ordinal is ever given to two keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.errors import LeaseLost, MusterError, SnapshotMoved

_HEAD = text("""
SELECT s.id, s.manifest, s.manifest_sha256, h.lease_owner, h.error_class, h.error,
       coalesce(h.lease_expires_at > clock_timestamp(), false) AS held
  FROM store_head h LEFT JOIN snapshot s ON s.id = h.snapshot_id WHERE h.id = 1
""")

_TAKE = text("""
UPDATE store_head
   SET fence = nextval('fence_seq'), lease_owner = :owner,
       lease_expires_at = clock_timestamp() + :lease
 WHERE id = 1 AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
RETURNING fence
""")

_EXTEND = text("""
UPDATE store_head SET lease_expires_at = clock_timestamp() + :lease
 WHERE id = 1 AND fence = :fence AND lease_expires_at > clock_timestamp()
RETURNING fence
""")

_LOCK = text("""
SELECT snapshot_id,
       fence IS NOT DISTINCT FROM :fence
           AND coalesce(lease_expires_at > clock_timestamp(), false) AS held
  FROM store_head WHERE id = 1 FOR UPDATE
""")

_INSERT = text("""
INSERT INTO snapshot (parent_id, generation, manifest, manifest_sha256, catalog_id, customers, report)
VALUES (:parent, :generation, :manifest, :sha256, :catalog, :customers, :report)
RETURNING id
""").bindparams(sa.bindparam("report", type_=JSONB))

_MOVE = text("""
UPDATE store_head SET snapshot_id = :id, lease_owner = NULL, lease_expires_at = NULL,
       error_class = NULL, error = NULL
 WHERE id = 1 AND fence = :fence
""")

_RELEASE = text("""
UPDATE store_head SET lease_owner = NULL, lease_expires_at = NULL,
       error_class = :error_class, error = :error
 WHERE id = 1 AND fence = :fence
""")


_GIVE_BACK = text("""
UPDATE store_head SET lease_owner = NULL, lease_expires_at = NULL WHERE id = 1 AND fence = :fence
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSnapshot:
    """A snapshot every service may read."""

    id: int
    manifest: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state of the store: what is in use, who prepares, and why the last preparation failed."""

    snapshot: PublishedSnapshot | None
    #: Whether a preparation holds an unexpired lease, and who that is.
    held: bool
    owner: str | None
    error_class: str | None
    error: str | None


def read_head(connection: Connection) -> Head:
    """Return the state of the store."""
    row = connection.execute(_HEAD).one()
    return Head(
        snapshot=None if row.id is None else _published(row),
        held=row.held,
        owner=row.lease_owner,
        error_class=row.error_class,
        error=row.error,
    )


def take_lease(connection: Connection, *, owner: str, lease: timedelta) -> int | None:
    """Take the right to prepare and return its fence; None while somebody else holds it."""
    fence: int | None = connection.execute(
        _TAKE, {"owner": owner, "lease": lease}
    ).scalar_one_or_none()
    return fence


def extend_lease(connection: Connection, *, fence: int, lease: timedelta) -> bool:
    """Extend the lease to `lease` from now; False once it is no longer held."""
    found = connection.execute(_EXTEND, {"fence": fence, "lease": lease}).scalar_one_or_none()
    return found is not None


def publish_snapshot(
    connection: Connection,
    *,
    fence: int,
    parent_id: int | None,
    generation: int,
    manifest: str,
    manifest_sha256: str,
    catalog_id: int,
    customers: int,
    report: Mapping[str, Any],
) -> int:
    """Make a prepared snapshot the one in use, end the lease and return the snapshot's id.

    Raises:
        LeaseLost: the lease ended or is somebody else's.
        SnapshotMoved: the snapshot in use is not the one this was prepared on.
    """
    head = connection.execute(_LOCK, {"fence": fence}).one()
    if not head.held:
        raise LeaseLost()
    if head.snapshot_id != parent_id:
        raise SnapshotMoved()
    created: int = connection.execute(
        _INSERT,
        {
            "parent": parent_id,
            "generation": generation,
            "manifest": manifest,
            "sha256": manifest_sha256,
            "catalog": catalog_id,
            "customers": customers,
            "report": dict(report),
        },
    ).scalar_one()
    connection.execute(_MOVE, {"id": created, "fence": fence})
    return created


def give_back_lease(connection: Connection, *, fence: int) -> None:
    """End a lease under which nothing was prepared; why the last preparation failed stays known."""
    connection.execute(_GIVE_BACK, {"fence": fence})


def release_lease(connection: Connection, *, fence: int, error: MusterError | None) -> None:
    """End the lease without a new snapshot and keep why; nothing happens once it is not held."""
    connection.execute(
        _RELEASE,
        {
            "fence": fence,
            "error_class": error.code if error else None,
            "error": str(error) if error else None,
        },
    )


def _published(row: Any) -> PublishedSnapshot:
    return PublishedSnapshot(id=row.id, manifest=row.manifest, manifest_sha256=row.manifest_sha256)
