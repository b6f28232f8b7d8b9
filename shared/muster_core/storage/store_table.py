"""The tables of the customer store: its snapshots and the one in use; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.definition_table import catalog_version
from muster_core.storage.schema import NOW, Instant, identity, metadata

snapshot = Table(
    "snapshot",
    metadata,
    identity(),
    Column("parent_id", BigInteger, ForeignKey("snapshot.id"), unique=True),
    Column("generation", Integer, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("catalog_id", BigInteger, ForeignKey(catalog_version.c.id), nullable=False),
    Column("customers", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("report", JSONB, nullable=False),  # what the preparation did, per table
    # nothing needs it any more: nobody may take it up again
    Column("expired_at", Instant),
)

#: One row: the lease of the preparation in progress and the snapshot now in use.
store_head = Table(
    "store_head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True),
    Column("snapshot_id", BigInteger, ForeignKey(snapshot.c.id)),
    Column("fence", BigInteger),
    Column("lease_owner", Text),
    Column("lease_expires_at", Instant),
    Column("error_class", Text),
    Column("error", Text),
)
