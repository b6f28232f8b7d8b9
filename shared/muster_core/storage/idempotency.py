"""Keys of requests that are to be done once, and what each was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.storage.access_table import idempotent_answer as kept

#: How long an answer is kept.
KEPT_FOR = timedelta(days=1)
#: How long a key stays taken whose request was cut off, its process being killed or the database gone.
TAKEN_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What a request was answered: the text of its answer."""

    status: int
    body: Any


def claim_key(
    connection: Connection, actor: str, key: str, request_sha256: bytes
) -> KeptAnswer | None:
    """Take the key for this request, or return what it was answered before.

    Raises:
        InvalidInput: the key belongs to another request.
        Conflict: the same request is being worked on.
    """
    now = sa.func.clock_timestamp()
    connection.execute(
        kept.delete().where(
            (kept.c.created_at < now - KEPT_FOR)
            | (kept.c.status.is_(None) & (kept.c.created_at < now - TAKEN_FOR))
        )
    )
    taken = connection.execute(
        insert(kept)
        .values(actor=actor, key=key, request_sha256=request_sha256)
        .on_conflict_do_nothing()
        .returning(kept.c.key)
    ).first()
    if taken is not None:
        return None
    row = connection.execute(
        sa.select(kept).where(kept.c.actor == actor, kept.c.key == key)
    ).first()
    if row is not None and bytes(row.request_sha256) != request_sha256:
        raise InvalidInput([Problem(message="this Idempotency-Key was used for another request")])
    if row is None or row.status is None:
        raise Conflict(
            "The same request is being worked on.",
            hint="Ask again in a moment; one that was cut off is taken up again after five minutes.",
        )
    return KeptAnswer(status=row.status, body=row.body)


def keep_answer(connection: Connection, actor: str, key: str, status: int, body: str) -> None:
    """Keep what a request was answered."""
    connection.execute(
        kept.update()
        .where(kept.c.actor == actor, kept.c.key == key)
        .values(status=status, body=body)
    )


def release_key(connection: Connection, actor: str, key: str) -> None:
    """Free a key whose request came to nothing."""
    connection.execute(
        kept.delete().where(kept.c.actor == actor, kept.c.key == key, kept.c.status.is_(None))
    )
