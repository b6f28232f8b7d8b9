"""The tables of exports: where members go, and how far that is; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.definition_table import segment
from muster_core.storage.run_table import membership_version
from muster_core.storage.schema import NOW, Instant, identity, lease_columns, metadata

#: A destination by name; its credentials stand sealed in `secret`, everything else in `document`.
connection = Table(
    "connection",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("secret", Text),
    Column("secret_rev", Integer, nullable=False, server_default=text("0")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("disabled", Text),  # why nothing is delivered any more
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("closed_until", Instant),  # the circuit breaker is open
    Column("test_asked_at", Instant),
    Column("tested_at", Instant),
    Column("test_error_class", Text),
    Column("test_error", Text),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
)

export = Table(
    "export",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("document", JSONB, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    # null: the export names its folder itself, or was detached
    Column("connection_id", BigInteger, ForeignKey(connection.c.id), index=True),
    Column("next_due_at", Instant),
)

export_segment = Table(
    "export_segment",
    metadata,
    Column("export_id", BigInteger, ForeignKey(export.c.id, ondelete="CASCADE"), primary_key=True),
    Column("segment_id", BigInteger, ForeignKey(segment.c.id), primary_key=True),
)

delivery = Table(
    "delivery",
    metadata,
    identity(),
    Column("export_id", BigInteger, ForeignKey(export.c.id), nullable=False),
    Column("segment_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    # the export as it was when the version was published: a repeat sends the same bytes
    Column("document", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("reason", Text),
    *lease_columns(),
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
    Column("location", Text),
    Column("started_at", Instant),
    # what a delivery of changes stands on, pinned at its first claim: a repeat sends the same bytes
    Column("basis", JSONB),
    Column("counts", JSONB),
    # how often an erasure took something out of it after it had begun
    Column("edition", Integer, nullable=False, server_default=text("0")),
    # the newest erasure that its last claim knew
    Column("erased", BigInteger, nullable=False, server_default=text("0")),
    # versions of segments whose members are never sent, pinned at the first claim
    Column("suppressed", JSONB),
    # which place its last claim led to: what arrived elsewhere is not there
    Column("destination", Text),
    UniqueConstraint("export_id", "segment_id", "version"),
    ForeignKeyConstraint(
        ["segment_id", "version"], [membership_version.c.segment_id, membership_version.c.version]
    ),
    CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", name="leased"),
    Index("deliverable", "id", postgresql_where=text("state = 'pending'")),
    Index("delivery_running", "export_id", postgresql_where=text("state = 'running'")),
)

#: What a destination acknowledged last; changes are told from there.
export_basis = Table(
    "export_basis",
    metadata,
    Column("export_id", BigInteger, ForeignKey(export.c.id, ondelete="CASCADE"), primary_key=True),
    Column("segment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("hashes", Text),
    Column("hashes_sha256", Text),
    Column("acknowledged_at", Instant, nullable=False, server_default=NOW),
    # which place acknowledged it; null: before this was kept
    Column("destination", Text),
)

#: Rows a destination did not take, by their place in the store: no key stands here.
delivery_refused = Table(
    "delivery_refused",
    metadata,
    Column("export_id", BigInteger, ForeignKey(export.c.id, ondelete="CASCADE"), primary_key=True),
    Column("segment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),
    Column("operation", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("first_at", Instant, nullable=False, server_default=NOW),
    Column("last_at", Instant, nullable=False, server_default=NOW),
)

delivery_chunk = Table(
    "delivery_chunk",
    metadata,
    Column("delivery_id", BigInteger, ForeignKey(delivery.c.id), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("acknowledged_at", Instant, nullable=False, server_default=NOW),
)

delivery_event = Table(
    "delivery_event",
    metadata,
    identity(),
    Column("delivery_id", BigInteger, ForeignKey(delivery.c.id), nullable=False, index=True),
    Column("at", Instant, nullable=False, server_default=NOW),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("fence", BigInteger),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
)
