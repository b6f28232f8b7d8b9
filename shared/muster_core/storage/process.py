"""Signs of life of the service processes."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.storage.process_table import process

#: What a process does that has nothing to do.
WAITING = "waiting"
#: What a worker does that has nothing to do, and finds no engine.
WITHOUT_ENGINE = "waiting, without an engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """One service process; `silent` is how long ago it was last heard of."""

    name: str
    kind: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    silent: timedelta
    doing: str | None
    #: How long ago it last received a hint through Redis; None where it never did.
    unhinted: timedelta | None = None


def process_name(kind: str) -> str:
    """Return the name of this process of the service `kind`: unique among all hosts."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def record_process(
    connection: Connection, *, name: str, kind: str, doing: str | None = None, hinted: bool = False
) -> None:
    """Note that the process `name` lives, what it does, and whether a hint has come since the last time."""
    now = sa.text("clock_timestamp()")
    statement = insert(process).values(
        name=name,
        kind=kind,
        host=socket.gethostname(),
        pid=os.getpid(),
        doing=doing,
        hinted_at=now if hinted else None,
    )
    news = {"seen_at": now, "doing": statement.excluded.doing}
    if hinted:
        news["hinted_at"] = now
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=news))


def remove_process(connection: Connection, name: str) -> None:
    """Note that the process `name` has ended in order."""
    connection.execute(process.delete().where(process.c.name == name))


def forget_processes(connection: Connection, silent_for: timedelta) -> int:
    """Forget processes not heard of for `silent_for`; return how many."""
    return connection.execute(
        process.delete().where(process.c.seen_at < sa.func.clock_timestamp() - silent_for)
    ).rowcount


def list_processes(connection: Connection) -> list[ProcessRecord]:
    """Return every known process, by kind and age."""
    rows = connection.execute(
        sa.select(
            process.c.name,
            process.c.kind,
            process.c.host,
            process.c.pid,
            process.c.started_at,
            process.c.seen_at,
            (sa.func.clock_timestamp() - process.c.seen_at).label("silent"),
            process.c.doing,
            (sa.func.clock_timestamp() - process.c.hinted_at).label("unhinted"),
        ).order_by(process.c.kind, process.c.started_at)
    )
    return [ProcessRecord(**row) for row in rows.mappings()]
