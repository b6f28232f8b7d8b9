"""What people did: one entry for every change and every look at member data, chained by hashes.

Each entry's hash covers the one before it, so an entry that was changed, taken out, put in or moved is
found by reading along the chain. Entries hold names of things, never member data or secrets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text

from muster_core.storage.access_table import audit_entry
from muster_core.storage.ordering import Sorting, sort_rows

#: What the first entry stands on.
GENESIS = bytes(32)
#: Any constant will do: entries are written one after the other, each on top of the last one.
_LOCK = 0x6D757375
_PAGE = 10_000
_NEWEST = Sorting(column="seq", down=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing somebody did."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    previous: bytes
    hash: bytes


def record(
    connection: Connection,
    actor: str,
    action: str,
    objects: Sequence[str] | str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one entry per object, in the transaction of what was done: both are kept, or neither.

    `action` is a verb in the past behind its kind, such as ``segment.applied``.
    """
    names = [objects] if isinstance(objects, str) else list(objects)
    if not names:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = connection.execute(
        sa.select(audit_entry.c.seq, audit_entry.c.hash).order_by(audit_entry.c.seq.desc()).limit(1)
    ).first()
    seq, previous = (0, GENESIS) if last is None else (last.seq, bytes(last.hash))
    at: datetime = connection.scalar(text("SELECT clock_timestamp()"))
    rows = []
    for name in names:
        seq += 1
        fields = {
            "seq": seq,
            "at": at,
            "actor": actor,
            "action": action,
            "object": name,
            "detail": json.loads(json.dumps(dict(detail or {}), default=str)),
        }
        found = _hash(fields, previous)
        rows.append({**fields, "previous": previous, "hash": found})
        previous = found
    connection.execute(audit_entry.insert(), rows)


def list_entries(
    connection: Connection,
    *,
    before: int | None = None,
    actor: str | None = None,
    object: str | None = None,
    action: str | None = None,
    limit: int = 100,
    sorting: Sorting = _NEWEST,
) -> list[AuditEntry]:
    """Return entries, by default the newest first; with `before` only those older than that one."""
    found = sa.select(audit_entry).limit(limit)
    found = sort_rows(found, sorting, audit_entry.c[sorting.column], audit_entry.c.seq)
    if action is not None:
        found = found.where(audit_entry.c.action == action)
    if before is not None:
        found = found.where(audit_entry.c.seq < before)
    if actor is not None:
        found = found.where(audit_entry.c.actor == actor)
    if object is not None:
        found = found.where(audit_entry.c.object == object)
    return [_entry(row) for row in connection.execute(found).mappings()]


def verify_entries(connection: Connection) -> tuple[int, int | None]:
    """Read along the chain; return how many entries fit, and the first number that does not.

    Entries cut off at the end cannot be told from entries never written: keep the last hash elsewhere.
    """
    previous, expected = GENESIS, 1
    while True:
        page = connection.execute(
            sa.select(audit_entry)
            .where(audit_entry.c.seq >= expected)
            .order_by(audit_entry.c.seq)
            .limit(_PAGE)
        ).mappings()
        entries = [_entry(row) for row in page]
        for entry in entries:
            fields = {name: getattr(entry, name) for name in _HASHED}
            if (
                entry.seq != expected
                or entry.previous != previous
                or entry.hash != _hash(fields, previous)
            ):
                return expected - 1, expected
            previous, expected = entry.hash, expected + 1
        if len(entries) < _PAGE:
            return expected - 1, None


_HASHED = ("seq", "at", "actor", "action", "object", "detail")


def _hash(fields: Mapping[str, Any], previous: bytes) -> bytes:
    at: datetime = fields["at"]
    written = json.dumps(
        {**fields, "at": at.astimezone(UTC).isoformat()}, sort_keys=True, ensure_ascii=False
    )
    return hashlib.sha256(previous + written.encode()).digest()


def _entry(row: sa.RowMapping) -> AuditEntry:
    return AuditEntry(
        **{**row, "previous": bytes(row["previous"]), "hash": bytes(row["hash"])},
    )
