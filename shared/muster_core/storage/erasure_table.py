"""The tables of customers who were erased, and of what was done about it; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.export_table import connection, delivery
from muster_core.storage.schema import NOW, Instant, identity, metadata

#: One row: the key of the keyed hashes, sealed.
erasure_secret = Table(
    "erasure_secret",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", Text, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

#: A customer who is never delivered or shown again; the key itself stands nowhere in clear.
erasure = Table(
    "erasure",
    metadata,
    identity(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("place", Text, nullable=False),
    # sealed, and only until every destination was told
    Column("customer", Text),
    Column("requested_at", Instant, nullable=False, server_default=NOW),
    Column("requested_by", Text, nullable=False),
    Column("refused_rows", Integer, nullable=False, server_default=text("0")),
)

#: What one erasure does at one destination.
erasure_part = Table(
    "erasure_part",
    metadata,
    identity(),
    Column("erasure_id", BigInteger, ForeignKey(erasure.c.id), nullable=False, index=True),
    Column("export", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("how", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column(
        "connection_id", BigInteger, ForeignKey(connection.c.id, ondelete="SET NULL"), index=True
    ),
    Column("delivery_id", BigInteger, ForeignKey(delivery.c.id, ondelete="SET NULL"), index=True),
    # what the destination held: numbers of versions by segment
    Column("versions", JSONB, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("max_attempts", Integer, nullable=False, server_default=text("5")),
    Column("available_at", Instant, nullable=False, server_default=NOW),
    Column("fence", BigInteger),
    Column("sent_at", Instant),
    Column("acknowledged_at", Instant),
    Column("rows", BigInteger),
    Column("location", Text),
    Column("error_class", Text),
    Column("error", Text),
    CheckConstraint("how IN ('rewrite', 'removal')", name="how"),
    CheckConstraint("state IN ('pending', 'sent', 'acknowledged', 'failed')", name="state"),
    Index(
        "erasure_part_open",
        "available_at",
        postgresql_where=text("how = 'removal' AND state IN ('pending', 'sent')"),
    ),
)
