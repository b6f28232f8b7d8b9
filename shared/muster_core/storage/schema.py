"""What all tables of the control database share: their names, their clock, their fences and leases."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Sequence,
    Text,
    text,
)

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


def identity() -> Column[int]:
    """Return the primary key of what is counted from 1."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def lease_columns() -> list[Column[object]]:
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
