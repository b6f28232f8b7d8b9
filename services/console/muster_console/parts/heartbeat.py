"""The last sign of life of each service, as the services write it into the table `process`."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psycopg

from muster_console.parts.state import ChildRecord

#: How far the clocks of this machine and of the database may lie apart.
_CLOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When a service was last heard of, and what it was doing."""

    pid: int
    seen_at: datetime
    doing: str | None


def heartbeat_of(child: ChildRecord, heartbeats: Mapping[int, Heartbeat]) -> Heartbeat | None:
    """Return the sign of life of `child` itself, not of an earlier process with its number."""
    beat = heartbeats.get(child.pid) if child.pid is not None else None
    if beat is None or child.since is None:
        return None
    return beat if beat.seen_at.timestamp() >= child.since - _CLOCK_SECONDS else None


def read_heartbeats(database_url: str) -> dict[int, Heartbeat]:
    """Return the last sign of life on this host by process id; empty where the database does not answer."""
    url = f"postgresql://{database_url.partition('://')[2]}"
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            rows = connection.execute(
                "SELECT pid, seen_at, doing FROM process WHERE host = %s ORDER BY seen_at",
                [socket.gethostname()],
            ).fetchall()
    except psycopg.Error:
        # the status of the other parts is wanted most when the database is down
        return {}
    return {pid: Heartbeat(pid=pid, seen_at=seen, doing=doing) for pid, seen, doing in rows}
