"""Rows that a destination did not take, for people: with the keys of their customers, read from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.storage.definition_table import segment
from muster_core.storage.export_table import delivery_refused
from muster_core.storage.run_table import membership_version
from muster_core.storage.store_table import snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """One row, why it was refused, and how often."""

    segment: str
    version: int
    operation: str
    reason: str
    attempts: int
    first_at: datetime
    last_at: datetime
    #: The customer's key; None until it was read from the store.
    key: str | None
    #: Where the customer stands in the store.
    partition: int
    ordinal: int
    snapshot: str
    snapshot_sha256: str


def refused_rows(
    connection: Connection, export_id: int, *, limit: int | None = None
) -> list[RefusedRow]:
    """Return the refused rows of an export by segment and place, at most `limit`."""
    rows = connection.execute(
        sa.select(
            delivery_refused,
            segment.c.name,
            snapshot.c.manifest,
            snapshot.c.manifest_sha256,
        )
        .join_from(delivery_refused, segment, segment.c.id == delivery_refused.c.segment_id)
        .join(
            membership_version,
            sa.and_(
                membership_version.c.segment_id == delivery_refused.c.segment_id,
                membership_version.c.version == delivery_refused.c.version,
            ),
        )
        .join(snapshot, snapshot.c.id == membership_version.c.snapshot_id)
        .where(delivery_refused.c.export_id == export_id)
        .order_by(segment.c.name, delivery_refused.c.partition, delivery_refused.c.ordinal)
        .limit(limit)
    )
    same = ("version", "operation", "reason", "attempts", "first_at", "last_at")
    return [
        RefusedRow(
            segment=r.name,
            key=None,
            partition=r.partition,
            ordinal=r.ordinal,
            snapshot=r.manifest,
            snapshot_sha256=r.manifest_sha256,
            **{name: r._mapping[name] for name in same},
        )
        for r in rows
    ]


def with_keys(lake: Lake, rows: Sequence[RefusedRow]) -> list[RefusedRow]:
    """Return the rows with their customers' keys; each partition is read once.

    Raises:
        StoreDamaged: the store cannot be read.
    """
    places = sorted({(r.snapshot, r.snapshot_sha256, r.partition) for r in rows})
    keys = {}
    for path, sha256, partition in places:
        store = Store.open(lake, path, sha256)
        name = store.manifest.catalog.key
        keys[path, partition] = store.partition(partition).profile([name])[name]
    return [
        replace(row, key=str(keys[row.snapshot, row.partition][row.ordinal].as_py()))
        for row in rows
    ]
