"""The tables of the services themselves: who lives, what people are told; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.export_table import delivery
from muster_core.storage.run_table import refresh_run
from muster_core.storage.schema import NOW, Instant, identity, metadata

#: Living service processes: who is there, since when, and how old the last sign of life is.
process = Table(
    "process",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # scheduler, worker, exporter
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False, server_default=NOW),
    Column("seen_at", Instant, nullable=False, server_default=NOW),
    Column("doing", Text),
    Column("load", Double),
    Column("hinted_at", Instant),  # when it last received a hint
)

#: The outbox of what people are told; triggers on the events of runs and deliveries write most of it.
alert = Table(
    "alert",
    metadata,
    identity(),
    Column("kind", Text, nullable=False),  # run_failed, run_held, delivery_failed, stale, limit
    Column("key", Text, nullable=False, unique=True),  # what is told once
    Column("run_id", BigInteger, ForeignKey(refresh_run.c.id)),
    Column("delivery_id", BigInteger, ForeignKey(delivery.c.id)),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),  # sent, dropped
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("available_at", Instant, nullable=False, server_default=NOW),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("ended_at", Instant),
    Column("error", Text),
    Index("alert_waiting", "id", postgresql_where=text("state = 'waiting'")),
)

#: One row: the epoch in the upper bits of every fence, and the PostgreSQL it was chosen for.
cluster = Table(
    "cluster",
    metadata,
    Column(
        "id",
        Integer,
        CheckConstraint("id = 1", name="single"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("timeline", BigInteger),
    Column("system", Text),
    Column("changed_at", Instant, nullable=False, server_default=NOW),
)
