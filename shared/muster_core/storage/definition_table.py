"""The tables of what people define: settings, catalogs, segments and measures; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.schema import NOW, Instant, identity, metadata

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("changed_at", Instant, nullable=False, server_default=NOW),
)

catalog_version = Table(
    "catalog_version",
    metadata,
    identity(),
    Column("digest", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("applied_at", Instant, nullable=False, server_default=NOW),
)

segment = Table(
    "segment",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("rule_hash", Text, nullable=False),
    Column("rev", Integer, nullable=False, server_default=text("1")),
    # schedule: {"kind": "system"} | {"kind": "cron", "cron": ..., "timezone": ...} | {"kind": "off"}
    Column("schedule", JSONB, nullable=False),
    Column("schedule_error", Text),
    Column("next_due_at", Instant),
    Column("published_version", BigInteger),
    Column("published_due_at", Instant),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Column("deleted_at", Instant),
    Column("owner", Text),  # who created it, as the audit names them
    Index("due", "next_due_at", postgresql_where=text("next_due_at IS NOT NULL")),
)

segment_revision = Table(
    "segment_revision",
    metadata,
    Column("segment_id", BigInteger, ForeignKey(segment.c.id), primary_key=True),
    Column("rev", Integer, primary_key=True),
    Column("rule_hash", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("actor", Text),  # who made the change
)

#: Which segments a saved segment refers to; kept in step with its document.
segment_reference = Table(
    "segment_reference",
    metadata,
    Column("segment_id", BigInteger, ForeignKey(segment.c.id), primary_key=True),
    Column("referred_id", BigInteger, ForeignKey(segment.c.id), primary_key=True, index=True),
    Column("policy", Text, nullable=False),  # use_last; skip where one of the references says so
)

measure = Table(
    "measure",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("document", JSONB, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of what it means, without its name
    Column("rev", Integer, nullable=False, server_default=text("1")),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Column("deleted_at", Instant),
    Column("deactivated_at", Instant),  # clean-up found that nothing uses it
)

measure_revision = Table(
    "measure_revision",
    metadata,
    Column("measure_id", BigInteger, ForeignKey(measure.c.id), primary_key=True),
    Column("rev", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=NOW),
)

#: What `muster apply` last said of a segment, measure or export; what stands otherwise was changed by hand.
applied_document = Table(
    "applied_document",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("applied_at", Instant, nullable=False, server_default=NOW),
)
