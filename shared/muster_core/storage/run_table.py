"""The tables of refreshes: runs, their batches, and the versions they publish; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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
from muster_core.storage.schema import NOW, Instant, identity, lease_columns, metadata
from muster_core.storage.store_table import snapshot

system_refresh = Table(
    "system_refresh",
    metadata,
    identity(),
    Column("due_at", Instant, nullable=False, unique=True),
    Column("trigger", Text, nullable=False),
    # pinned by the first batch that claims one of its runs
    Column("as_of", Instant),
    Column("snapshot_id", BigInteger, ForeignKey(snapshot.c.id)),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    Column("reason", Text),
    Column("actor", Text),
    Column("pinned_at", Instant),
    Column("finished_at", Instant),
    Column("stages", JSONB),  # null until its end
    Index("running", "id", postgresql_where=text("state = 'running'")),
)

#: One claim of many runs under one fence, and the one engine job that evaluates them.
batch = Table(
    "batch",
    metadata,
    identity(),
    Column("fence", BigInteger, nullable=False, unique=True),
    Column("worker", Text, nullable=False),
    Column("state", Text, nullable=False),  # running, finished, lost
    Column("runs", Integer, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("snapshot_id", BigInteger, ForeignKey(snapshot.c.id)),
    Column("plan_sha256", Text),
    Column("engine", Text),  # address without credentials, and version
    Column("engine_session", Text),
    Column("engine_user", Text),
    Column("engine_jobs", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("manifest", Text),
    Column("manifest_sha256", Text),
    Column("tasks", Integer),
    Column("tasks_done", Integer, nullable=False, server_default=text("0")),
    Column("seconds", JSONB, nullable=False, server_default=text("'{}'::jsonb")),  # per stage
    Column("started_at", Instant, nullable=False, server_default=NOW),
    Column("finished_at", Instant),
    Column("error_class", Text),
    Column("error", Text),
    # looked through before every claim, for sessions left over in the engine
    Index("lost", "id", postgresql_where=text("state = 'lost'")),
)

refresh_run = Table(
    "refresh_run",
    metadata,
    identity(),
    Column("segment_id", BigInteger, ForeignKey(segment.c.id), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("trigger", Text, nullable=False),  # system, schedule, manual
    Column("scheduler", Text),  # which process planned it; the user for a manual one
    Column("system_refresh_id", BigInteger, ForeignKey(system_refresh.c.id), index=True),
    Column("requested_as_of", Instant),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("reason", Text),
    Column("priority", Integer, nullable=False, server_default=text("5")),
    Column("schema_version", Integer, nullable=False, server_default=text("1")),
    *lease_columns(),
    Column("batch_id", BigInteger, ForeignKey(batch.c.id)),
    Column("rule_rev", Integer),
    Column("rule_hash", Text),
    Column("as_of", Instant),
    Column("snapshot_id", BigInteger, ForeignKey(snapshot.c.id)),
    # the evaluated matrix: kept per run, because the halves of a failing batch write one each
    Column("manifest", Text),
    Column("manifest_sha256", Text),
    Column("bit", Integer),
    Column("member_count", BigInteger),
    Column("joined", BigInteger),
    Column("left", BigInteger),
    # pointer into the document -> members, for every rule and condition, and running counts per rule
    Column("node_counts", JSONB),
    Column("version", BigInteger),
    Column("started_at", Instant),
    # {"segments": [...], "measures": [...]}: what it was computed from beside its rules and the snapshot
    Column("inputs", JSONB),
    # pins them beside rule_rev and rule_hash; null where the rules use neither
    Column("inputs_sha256", Text),
    # the most runs it may be claimed together with, after batches with it were lost
    Column("batch_cap", Integer),
    UniqueConstraint("segment_id", "due_at"),
    CheckConstraint(
        "(state IN ('running', 'evaluated')) = (lease_expires_at IS NOT NULL)", name="leased"
    ),
    Index(
        "one_active",
        "segment_id",
        unique=True,
        postgresql_where=text("state IN ('running', 'evaluated')"),
    ),
    Index("claimable", "priority", "due_at", "id", postgresql_where=text("state = 'pending'")),
    # looked through before every claim, for runs that those referring to their segments wait for
    Index(
        "unfinished",
        "segment_id",
        postgresql_where=text("state IN ('pending', 'running', 'evaluated')"),
    ),
    Index("held", "segment_id", postgresql_where=text("state = 'held'")),
)

run_event = Table(
    "run_event",
    metadata,
    identity(),
    Column("run_id", BigInteger, ForeignKey(refresh_run.c.id), nullable=False, index=True),
    Column("at", Instant, nullable=False, server_default=NOW),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("fence", BigInteger),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
)

#: Immutable: a trigger refuses UPDATE and DELETE.
membership_version = Table(
    "membership_version",
    metadata,
    Column("segment_id", BigInteger, ForeignKey(segment.c.id), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("run_id", BigInteger, ForeignKey(refresh_run.c.id), nullable=False, unique=True),
    Column("fence", BigInteger, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("rule_rev", Integer, nullable=False),
    Column("rule_hash", Text, nullable=False),
    Column("snapshot_id", BigInteger, ForeignKey(snapshot.c.id), nullable=False),
    Column("member_count", BigInteger, nullable=False),
    Column("joined", BigInteger, nullable=False),
    Column("left", BigInteger, nullable=False),
    Column("published_at", Instant, nullable=False, server_default=NOW),
    Column("inputs_sha256", Text),
)

#: Where a version's members are now; garbage collection may move them.
membership_pointer = Table(
    "membership_pointer",
    metadata,
    Column("segment_id", BigInteger, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("manifest", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("bit", Integer, nullable=False),
    ForeignKeyConstraint(
        ["segment_id", "version"], [membership_version.c.segment_id, membership_version.c.version]
    ),
)
