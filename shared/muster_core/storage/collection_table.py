"""The tables of collecting what nothing needs any more; a part of `muster_core.storage.schema.metadata`."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.schema import NOW, Instant, metadata

#: One row: the lease of the collection in progress, and what came of the last one.
collector = Table(
    "collector",
    metadata,
    Column(
        "id",
        Integer,
        CheckConstraint("id = 1", name="single"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("fence", BigInteger),
    Column("lease_owner", Text),
    Column("lease_expires_at", Instant),
    Column("started_at", Instant),
    Column("finished_at", Instant),  # of the last one that succeeded, as is the report
    Column("report", JSONB),
    Column("error_class", Text),
    Column("error", Text),
)

#: Files of the lake that nothing names, and since when that is known; they are removed after a grace.
garbage = Table(
    "garbage",
    metadata,
    Column("path", Text, primary_key=True),
    Column("marked_at", Instant, nullable=False, server_default=NOW),
)
