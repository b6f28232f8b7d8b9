"""The last sign of life of each service, as the services write it into the table `process`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When a service was last heard of, and what it was doing."""

    pid: int
    seen_at: datetime
    doing: str | None


def read_heartbeats(database_url: str) -> dict[int, Heartbeat]:
    """Return the last sign of life by process id; empty where the database does not answer."""
    url = f"postgresql://{database_url.partition('://')[2]}"
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            rows = connection.execute("SELECT pid, seen_at, doing FROM process").fetchall()
    except psycopg.Error:
        # the status of the other parts is wanted most when the database is down
        return {}
    return {pid: Heartbeat(pid=pid, seen_at=seen, doing=doing) for pid, seen, doing in rows}
