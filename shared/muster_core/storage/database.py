"""Connections to the control database: time limits on everything, lost connections named as such.

No transaction is ever open while an engine, a lake or a network is waited for, so short limits are safe:
a statement that waits longer has met a fault, and its work is tried again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from psycopg.errors import DiskFull
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from muster_core.errors import PartUnavailable

#: Found dead within seconds: a half-open connection never blocks a lease holder for a whole lease.
_LINK = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_LIMITS = (
    "-c idle_in_transaction_session_timeout=15s -c lock_timeout=3s -c statement_timeout=30s"
    " -c timezone=UTC"
)


def open_database(url: str, *, application: str = "muster", pool_size: int = 5) -> Engine:
    """Return the engine of the control database at `url`; nothing is connected yet.

    `application` is the name shown in ``pg_stat_activity``.
    """
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=10,
        # an error that nobody foresaw ends up in a log; what was written must not come along
        hide_parameters=True,
        connect_args={**_LINK, "options": _LIMITS, "application_name": application},
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run one transaction: committed at the end of the block, rolled back by any error.

    Raises:
        PartUnavailable: the connection was lost, refused or too slow. The outcome of a commit whose
            answer was lost is unknown: every step is safe to repeat.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError, PoolTimeout) as exc:
        raise _unavailable(exc) from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise _unavailable(exc) from exc
        raise


def database_time(connection: Connection) -> datetime:
    """Return the database's time, which alone decides what is due and what is old."""
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now


def _unavailable(exc: DBAPIError | PoolTimeout) -> PartUnavailable:
    if isinstance(exc, DBAPIError) and isinstance(exc.orig, DiskFull):
        return PartUnavailable(
            "PostgreSQL has no space left on its disk; nothing was changed.",
            hint="Give it space; the work goes on by itself.",
        )
    # The driver's text can hold host, user and literals; its class says enough.
    cause = type(exc.orig).__name__ if isinstance(exc, DBAPIError) else type(exc).__name__
    return PartUnavailable(
        f"PostgreSQL does not answer in time ({cause}).",
        hint="Look at `muster status`; the work goes on when it is back.",
    )
