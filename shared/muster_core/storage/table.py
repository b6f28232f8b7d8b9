"""Every table of the control database, as SQLAlchemy Core tables; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Instant = DateTime(timezone=True)
NOW = text("clock_timestamp()")

#: Fencing tokens: every claim takes the next one; a write with an older one changes nothing.
fence_seq = Sequence("fence_seq", metadata=metadata)


def _identity() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _lease() -> list[Column[object]]:
    """Return the columns of everything that is claimed, leased and fenced."""
    return [
        Column("attempt", Integer, nullable=False, server_default=text("0")),
        Column("max_attempts", Integer, nullable=False, server_default=text("5")),
        Column("available_at", Instant, nullable=False, server_default=NOW),
        Column("fence", BigInteger),
        Column("lease_owner", Text),
        Column("lease_expires_at", Instant),
        Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
        Column("error_class", Text),
        Column("error", Text),
        Column("created_at", Instant, nullable=False, server_default=NOW),
        Column("finished_at", Instant),
    ]


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
    _identity(),
    Column("digest", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("applied_at", Instant, nullable=False, server_default=NOW),
)

segment = Table(
    "segment",
    metadata,
    _identity(),
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
    Index("due", "next_due_at", postgresql_where=text("next_due_at IS NOT NULL")),
)

segment_revision = Table(
    "segment_revision",
    metadata,
    Column("segment_id", BigInteger, ForeignKey("segment.id"), primary_key=True),
    Column("rev", Integer, primary_key=True),
    Column("rule_hash", Text, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=NOW),
)

#: Which segments a saved segment refers to; kept in step with its document.
segment_reference = Table(
    "segment_reference",
    metadata,
    Column("segment_id", BigInteger, ForeignKey("segment.id"), primary_key=True),
    Column("referred_id", BigInteger, ForeignKey("segment.id"), primary_key=True, index=True),
    Column("policy", Text, nullable=False),  # use_last; skip where one of the references says so
)

measure = Table(
    "measure",
    metadata,
    _identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("document", JSONB, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of what it means, without its name
    Column("rev", Integer, nullable=False, server_default=text("1")),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Column("deleted_at", Instant),
)

measure_revision = Table(
    "measure_revision",
    metadata,
    Column("measure_id", BigInteger, ForeignKey("measure.id"), primary_key=True),
    Column("rev", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=NOW),
)

snapshot = Table(
    "snapshot",
    metadata,
    _identity(),
    Column("parent_id", BigInteger, ForeignKey("snapshot.id"), unique=True),
    Column("generation", Integer, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("catalog_id", BigInteger, ForeignKey("catalog_version.id"), nullable=False),
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
    Column("snapshot_id", BigInteger, ForeignKey("snapshot.id")),
    Column("fence", BigInteger),
    Column("lease_owner", Text),
    Column("lease_expires_at", Instant),
    Column("error_class", Text),
    Column("error", Text),
)

system_refresh = Table(
    "system_refresh",
    metadata,
    _identity(),
    Column("due_at", Instant, nullable=False, unique=True),
    Column("trigger", Text, nullable=False),
    # pinned by the first batch that claims one of its runs
    Column("as_of", Instant),
    Column("snapshot_id", BigInteger, ForeignKey("snapshot.id")),
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
    _identity(),
    Column("fence", BigInteger, nullable=False, unique=True),
    Column("worker", Text, nullable=False),
    Column("state", Text, nullable=False),  # running, finished, lost
    Column("runs", Integer, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("snapshot_id", BigInteger, ForeignKey("snapshot.id")),
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
    _identity(),
    Column("segment_id", BigInteger, ForeignKey("segment.id"), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("trigger", Text, nullable=False),  # system, schedule, manual
    Column("scheduler", Text),  # which process planned it; the user for a manual one
    Column("system_refresh_id", BigInteger, ForeignKey("system_refresh.id"), index=True),
    Column("requested_as_of", Instant),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("reason", Text),
    Column("priority", Integer, nullable=False, server_default=text("5")),
    Column("schema_version", Integer, nullable=False, server_default=text("1")),
    *_lease(),
    Column("batch_id", BigInteger, ForeignKey("batch.id")),
    Column("rule_rev", Integer),
    Column("rule_hash", Text),
    Column("as_of", Instant),
    Column("snapshot_id", BigInteger, ForeignKey("snapshot.id")),
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
    _identity(),
    Column("run_id", BigInteger, ForeignKey("refresh_run.id"), nullable=False, index=True),
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
    Column("segment_id", BigInteger, ForeignKey("segment.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("run_id", BigInteger, ForeignKey("refresh_run.id"), nullable=False, unique=True),
    Column("fence", BigInteger, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("rule_rev", Integer, nullable=False),
    Column("rule_hash", Text, nullable=False),
    Column("snapshot_id", BigInteger, ForeignKey("snapshot.id"), nullable=False),
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
        ["segment_id", "version"], ["membership_version.segment_id", "membership_version.version"]
    ),
)

#: A destination by name; its credentials stand sealed in `secret`, everything else in `document`.
connection = Table(
    "connection",
    metadata,
    _identity(),
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
    _identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("document", JSONB, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    # null: the export names its folder itself, or was detached
    Column("connection_id", BigInteger, ForeignKey("connection.id"), index=True),
    Column("next_due_at", Instant),
)

export_segment = Table(
    "export_segment",
    metadata,
    Column("export_id", BigInteger, ForeignKey("export.id", ondelete="CASCADE"), primary_key=True),
    Column("segment_id", BigInteger, ForeignKey("segment.id"), primary_key=True),
)

delivery = Table(
    "delivery",
    metadata,
    _identity(),
    Column("export_id", BigInteger, ForeignKey("export.id"), nullable=False),
    Column("segment_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    # the export as it was when the version was published: a repeat sends the same bytes
    Column("document", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("reason", Text),
    *_lease(),
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
    Column("location", Text),
    Column("started_at", Instant),
    # what a delivery of changes stands on, pinned at its first claim: a repeat sends the same bytes
    Column("basis", JSONB),
    Column("counts", JSONB),
    UniqueConstraint("export_id", "segment_id", "version"),
    ForeignKeyConstraint(
        ["segment_id", "version"], ["membership_version.segment_id", "membership_version.version"]
    ),
    CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", name="leased"),
    Index("deliverable", "id", postgresql_where=text("state = 'pending'")),
    Index("delivery_running", "export_id", postgresql_where=text("state = 'running'")),
)

#: What a destination acknowledged last; changes are told from there.
export_basis = Table(
    "export_basis",
    metadata,
    Column("export_id", BigInteger, ForeignKey("export.id", ondelete="CASCADE"), primary_key=True),
    Column("segment_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("hashes", Text),
    Column("hashes_sha256", Text),
    Column("acknowledged_at", Instant, nullable=False, server_default=NOW),
)

#: Rows a destination did not take, by their place in the store: no key stands here.
delivery_refused = Table(
    "delivery_refused",
    metadata,
    Column("export_id", BigInteger, ForeignKey("export.id", ondelete="CASCADE"), primary_key=True),
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
    Column("delivery_id", BigInteger, ForeignKey("delivery.id"), primary_key=True),
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
    _identity(),
    Column("delivery_id", BigInteger, ForeignKey("delivery.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False, server_default=NOW),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("fence", BigInteger),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
)

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
    _identity(),
    Column("kind", Text, nullable=False),  # run_failed, run_held, delivery_failed, stale, limit
    Column("key", Text, nullable=False, unique=True),  # what is told once
    Column("run_id", BigInteger, ForeignKey("refresh_run.id")),
    Column("delivery_id", BigInteger, ForeignKey("delivery.id")),
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
