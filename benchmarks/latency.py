"""How soon work begins: from a hint to the claim, and from an instant many segments share to their runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy import Engine, text

from benchmarks.mix import Segment, segments
from benchmarks.refresh import Refresher
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction
from muster_core.storage.migrate import migrate
from muster_core.storage.planning import schedule_due
from muster_core.storage.segment import apply_segments

_ROUNDS = 20
#: Between two requests, so that the worker has gone back to waiting for hints.
_PAUSE = 0.3
_SCHEDULE = {"cron": "0 6 * * *", "timezone": "UTC"}

_COPIES = text("""
INSERT INTO segment (name, type, state, document, rule_hash, schedule, next_due_at)
SELECT 'copy' || n, type, state, document, rule_hash, schedule,
       date_trunc('minute', clock_timestamp())
  FROM segment, generate_series(1, :copies) n
""")


def hint_to_claim(refresher: Refresher, segment: list[Segment]) -> list[float]:
    """Return the seconds from request to claim, one refresh after the other on an idle system."""
    waited = []
    for _ in range(_ROUNDS):
        time.sleep(_PAUSE)
        waited.append(refresher.refresh(segment).waited)
    return sorted(waited)


def plan_due(home: Path, count: int) -> dict[str, float | int]:
    """Plan `count` segments due at one instant, in a database of their own on the home's server."""
    with _database(Settings(home=home).database()) as database:
        with transaction(database) as connection:
            document = segments(1)[0].document() | {"schedule": _SCHEDULE}
            apply_segments(connection, [parse_segment(document)])
            connection.execute(_COPIES, {"copies": count})
        runs, transactions, longest = 0, 0, 0.0
        began = time.perf_counter()
        more = True
        while more:
            begin = time.perf_counter()
            with transaction(database) as connection:
                planned = schedule_due(connection, "benchmark")
            longest = max(longest, time.perf_counter() - begin)
            runs, transactions, more = runs + planned.runs, transactions + 1, planned.more
        seconds = time.perf_counter() - began
    return {"runs": runs, "seconds": seconds, "transactions": transactions, "longest": longest}


@contextmanager
def _database(beside: str) -> Iterator[Engine]:
    """Make a database on the server of `beside`, at this version's schema, and drop it at the end."""
    name = "benchmark_due"
    server = sqlalchemy.create_engine(beside, isolation_level="AUTOCOMMIT")
    url = sqlalchemy.make_url(beside).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        migrate(url)
        database = open_database(url, application="benchmark")
        try:
            yield database
        finally:
            database.dispose()
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        server.dispose()
