"""Rows as Arrow batches, straight from PostgreSQL's binary COPY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
import pyarrow as pa

# the reader whose errors keep PostgreSQL's code; the cursor hands out one that loses it
from adbc_driver_manager._reader import AdbcRecordBatchReader

from muster_core.errors import SourceUnavailable
from muster_core.extract.address import shown_host
from muster_core.extract.document import PostgresSource
from muster_core.extract.failure import connection_failure, statement_failure
from muster_core.extract.session import opening

#: The driver collects about this much before it hands over a batch.
BATCH_BYTES = 4 << 20


class Stream:
    """One connection inside an exported snapshot; used by one thread, except for `cancel`."""

    def __init__(self, source: PostgresSource, url: str, table: str, snapshot: str) -> None:
        self._host = shown_host(url)
        self._table = table
        try:
            self._connection = adbc_driver_postgresql.dbapi.connect(url, autocommit=True)
        except adbc_driver_manager.Error as exc:
            raise connection_failure(self._host, str(exc)) from None
        self._cursor = self._connection.cursor()
        try:
            for statement in opening(source, snapshot):
                self._cursor.adbc_statement.set_sql_query(statement)
                self._cursor.adbc_statement.execute_update()
            self._cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
            )
        except adbc_driver_manager.Error:
            self.close()
            # the statements are our own: what can be wrong is the snapshot, gone with the session that held it
            raise SourceUnavailable(
                f"The PostgreSQL server {self._host} lost the snapshot of {table}.",
                hint="The work is tried again.",
            ) from None
        except BaseException:
            self.close()
            raise

    def batches(self, statement: str) -> Iterator[pa.RecordBatch]:
        """Yield the result of a query.

        Raises:
            MusterError: it failed; see `muster_core.extract.failure`.
        """
        with self._errors():
            self._cursor.adbc_statement.set_sql_query(statement)
            handle, _ = self._cursor.adbc_statement.execute_query()
            reader = AdbcRecordBatchReader._import_from_c(handle.address)
        try:
            while True:
                with self._errors():
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                yield batch
        finally:
            reader.close()

    def row(self, statement: str) -> list[Any]:
        """Return the one row of a query."""
        (batch,) = [b for b in self.batches(statement) if b.num_rows]
        return [column[0].as_py() for column in batch.columns]

    def cancel(self) -> None:
        """Ask the server to give up what this connection does; from any thread."""
        try:
            self._cursor.adbc_cancel()
        except (adbc_driver_manager.Error, pa.ArrowException):
            return  # it had nothing to do

    def close(self) -> None:
        """End the transaction and the connection."""
        self._cursor.close()
        self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except adbc_driver_manager.Error as exc:
            raise statement_failure(self._table, self._host, exc.sqlstate, str(exc)) from None
        except (pa.ArrowException, OSError):
            # the driver's own trouble with what it received; its words may quote rows
            raise SourceUnavailable(
                f"The PostgreSQL server {self._host} broke off while {self._table} was read.",
                hint="The work is tried again.",
            ) from None
