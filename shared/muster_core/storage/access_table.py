"""The tables of who may come in and what they did; migrations create exactly these."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.storage.schema import NOW, Instant, metadata

_ROLES = "role IN ('viewer', 'contributor', 'administrator')"

person = Table(
    "person",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, CheckConstraint(_ROLES, name="role"), nullable=False),
    Column("members", Boolean, nullable=False, server_default=text("false")),
    Column("password_hash", Text),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("disabled_at", Instant),
)

api_token = Table(
    "api_token",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("person_id", BigInteger, ForeignKey("person.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("role", Text, CheckConstraint(_ROLES, name="role"), nullable=False),
    Column("members", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("expires_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

login_attempt = Table(
    "login_attempt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("account", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False, server_default=NOW),
    Index(None, "account", "at"),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

idempotent_answer = Table(
    "idempotent_answer",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_sha256", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("body", JSONB),
    Column("created_at", Instant, nullable=False, server_default=NOW),
)
