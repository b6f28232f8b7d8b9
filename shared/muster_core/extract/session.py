"""The session that reads a source: read only, one snapshot, with time limits, named in the server's lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from muster_core.errors import SourceUnreadable
from muster_core.extract.address import shown_host
from muster_core.extract.document import PostgresSource, length
from muster_core.extract.failure import connection_failure, statement_failure

APPLICATION = "muster extract"

#: The oldest release with snapshots as values and scans by ranges of row addresses.
OLDEST_VERSION = 140_000


def opening(source: PostgresSource, snapshot: str | None = None) -> list[str]:
    """Return the statements that begin a reading transaction, in `snapshot` or in one of its own."""
    statements = ["BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"]
    if snapshot is not None:
        statements.append(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    # LOCAL: a pooler may give the connection to somebody else afterwards
    statements += [
        f"SET LOCAL application_name = '{APPLICATION}'",
        "SET LOCAL client_encoding = 'UTF8'",
        "SET LOCAL TimeZone = 'UTC'",
        f"SET LOCAL statement_timeout = {_milliseconds(source.statement_timeout)}",
        f"SET LOCAL lock_timeout = {_milliseconds(source.lock_timeout)}",
        # the session that holds the snapshot waits while others read
        "SET LOCAL idle_in_transaction_session_timeout = 0",
    ]
    return statements


def _milliseconds(text: str) -> int:
    return min(int(length(text).total_seconds() * 1000), 2_147_483_647)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One open reading transaction; `table` is the name errors use."""

    connection: psycopg.Connection[Any]
    source: PostgresSource
    table: str
    host: str

    def rows(self, statement: str, given: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of one small result.

        Raises:
            MusterError: the statement failed; see `muster_core.extract.failure`.
        """
        with self._errors():
            return self.connection.execute(statement.encode(), given or None).fetchall()

    def run(self, statement: str) -> None:
        """Run a statement without a result.

        Raises:
            MusterError: it failed.
        """
        with self._errors():
            self.connection.execute(statement.encode())

    def restart(self) -> None:
        """End the transaction and begin another, whose snapshot is not taken yet."""
        self.run("ROLLBACK")
        for statement in opening(self.source):
            self.run(statement)

    def columns(self, statement: str) -> list[tuple[str, int, int]]:
        """Return name, type oid and type modifier of every column `statement` would give.

        Raises:
            MusterError: PostgreSQL does not take the statement, or it is several.
        """
        with self._errors():
            # preparing refuses text that holds more than one statement
            result = self.connection.execute(statement.encode(), prepare=True).pgresult
        assert result is not None
        names = [(result.fname(i) or b"").decode() for i in range(result.nfields)]
        return [(name, result.ftype(i), result.fmod(i)) for i, name in enumerate(names)]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            said = exc.diag.message_primary or ""
            raise statement_failure(self.table, self.host, exc.sqlstate, said) from None


@contextmanager
def reading(source: PostgresSource, url: str, table: str) -> Iterator[Session]:
    """Open a reading transaction for `table` and end it with the block.

    Raises:
        SourceUnavailable: the server does not answer.
        SourceDenied: it refused the login.
        SourceUnreadable: the server is too old.
    """
    host = shown_host(url)
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=15)
    except psycopg.Error as exc:
        raise connection_failure(host, str(exc)) from None
    try:
        if connection.info.server_version < OLDEST_VERSION:
            raise SourceUnreadable(
                f"The PostgreSQL server {host} is older than release 14.",
                hint="Read it through a newer replica, or export Parquet files.",
            )
        session = Session(connection=connection, source=source, table=table, host=host)
        for statement in opening(source):
            session.run(statement)
        yield session
    finally:
        connection.close()
