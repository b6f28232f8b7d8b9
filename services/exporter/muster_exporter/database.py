"""A connection to somebody else's PostgreSQL: guarded, patient for so long, and its errors in Muster's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from muster_core.errors import MusterError, NoSpace, TargetRefused, TargetUnavailable
from muster_core.exports.connection import DatabaseSecret, FeedTarget, PostgresTarget
from muster_core.exports.document import Format
from muster_core.exports.writer import write_file
from muster_core.security.outbound import Guard

_CONNECT_SECONDS = 10
#: Longest wait for one statement; a whole version may be compared in one.
_STATEMENT_SECONDS = 1800
_LOCK_SECONDS = 60
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAKING = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


class Database:
    """One connection, with one transaction at a time; a context manager."""

    def __init__(
        self, target: PostgresTarget | FeedTarget, secret: DatabaseSecret, guard: Guard
    ) -> None:
        self.target = target
        self._secret = secret
        self._guard = guard
        self.connection: psycopg.Connection[tuple[Any, ...]]

    @property
    def address(self) -> str:
        """Return the address for people, without credentials."""
        target = self.target
        return f"postgresql://{target.host}:{target.port}/{target.database}/{target.db_schema}"

    def open(self) -> None:
        """Connect to an address that was judged; TLS is checked against the name.

        Raises:
            TargetUnavailable: nobody answers.
            TargetRefused: the credentials are refused.
        """
        target = self.target
        pinned = self._guard.pin(target.host, target.port)
        options = (
            f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout={_LOCK_SECONDS}s"
            " -c idle_in_transaction_session_timeout=600s -c timezone=UTC -c datestyle=ISO"
        )
        with self.errors():
            self.connection = psycopg.connect(
                host=",".join(target.host for _ in pinned.addresses),
                hostaddr=",".join(pinned.addresses),
                port=target.port,
                dbname=target.database,
                user=target.user,
                password=self._secret.password.get_secret_value(),
                sslmode=target.sslmode,
                # neither files nor variables of this process's user say anything about this connection
                passfile="/dev/null",
                connect_timeout=_CONNECT_SECONDS,
                keepalives_idle=15,
                tcp_user_timeout=60_000,
                application_name="muster-exporter",
                options=options,
            )

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back by the server."""
        if hasattr(self, "connection"):
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
        """Run one transaction."""
        with self.errors(), self.connection.transaction(), self.connection.cursor() as cursor:
            yield cursor

    @contextmanager
    def making(self) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
        """Run one short transaction that makes tables, the only one of its kind in the schema.

        Two first deliveries at once would both find no table and make the same one; and a column that is added
        to a table keeps its readers out until the transaction ends.
        """
        with self.transaction() as cursor:
            cursor.execute(_MAKING, [f"muster {self.target.db_schema}"])
            yield cursor

    def name(self, table: str) -> sql.Identifier:
        """Return the full name of a table of the connection's schema."""
        return sql.Identifier(self.target.db_schema, table)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the driver's errors; none of their texts is kept, it may quote a row."""
        try:
            yield
        except psycopg.Error as exc:
            raise self._translated(exc) from None

    def _translated(self, exc: psycopg.Error) -> MusterError:
        where, state = f"The database {self.target.database} on {self.target.host}", exc.sqlstate
        said = f"{where} answers {state or type(exc).__name__}"
        if isinstance(exc, psycopg.errors.DiskFull):
            return NoSpace(f"{where} has no space left.", hint="Free space; it is tried again.")
        if state is not None and state[:2] == "28":
            return TargetRefused(
                f"{where} refuses the user or the password.",
                hint="Look at its rights, and use `muster connection rotate`.",
            )
        if state == "42501":
            return TargetRefused(
                f"{where} does not let the user do this.",
                hint="It needs CREATE and USAGE on the schema, and to own Muster's tables there.",
            )
        if state == "54000":
            return TargetRefused(
                f"{where} does not take a value this long.",
                hint="A customer key there has at most 2,704 bytes, packed.",
            )
        if state is not None and state[:2] in ("21", "22", "23", "42", "0A") and state != "23505":
            return TargetRefused(f"{said}.", hint="Look at the table it is sent to.")
        if state is None and not hasattr(self, "connection"):
            return self._unconnected(str(exc))
        return TargetUnavailable(f"{said}.", hint="It is tried again.")

    def _unconnected(self, text: str) -> MusterError:
        """Return why there is no connection: such errors have no state, so their text tells them apart."""
        target = self.target
        where = f"The database {target.database} on {target.host}"
        if "authentication failed" in text or ("role " in text and "does not exist" in text):
            return TargetRefused(
                f"{where} refuses the user or the password.",
                hint="Look at its rights, and use `muster connection rotate`.",
            )
        if "database " in text and "does not exist" in text:
            return TargetRefused(
                f"There is no database {target.database} on {target.host}.",
                hint="Look at `database` of the connection.",
            )
        if "SSL" in text and "not support" in text:
            return TargetRefused(
                f"{where} offers no TLS.",
                hint="Let it offer TLS, or set `sslmode: prefer` in the connection.",
            )
        if "pg_hba" in text:
            return TargetRefused(
                f"{where} lets nobody in from here.", hint="Look at the server's pg_hba.conf."
            )
        return TargetUnavailable(
            f"Nothing answers at {target.host} port {target.port}, or it lets nobody in now.",
            hint="It is tried again.",
        )


class _Copied:
    """Takes a file's bytes and hands them to COPY, counted."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self._copy = copy
        self.size = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._copy.write(view)
        self.size += len(view)
        return len(view)


def copy_rows(
    cursor: psycopg.Cursor[tuple[Any, ...]],
    table: sql.Composable,
    schema: Any,
    groups: Iterable[Any],
) -> tuple[int, int]:
    """Copy Arrow tables into `table` and return how many rows and bytes those were.

    PostgreSQL's text has no NUL, so each becomes U+FFFD.
    """
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER true)").format(table)
    with cursor.copy(statement) as copy:
        output = _Copied(copy)
        rows = write_file(
            output,  # type: ignore[arg-type] # CSV only ever writes
            schema,
            map(_without_nul, groups),
            form=Format.CSV,
            raw=True,
        )
    return rows, output.size


def column_type(kind: Any) -> LiteralString:
    """Return the type in PostgreSQL of an Arrow type; lists become JSON."""
    if pa.types.is_integer(kind):
        return "bigint"
    if pa.types.is_floating(kind):
        return "double precision"
    if pa.types.is_decimal(kind):
        return "numeric"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return "timestamp with time zone"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "jsonb"
    return "text"


def _without_nul(table: Any) -> Any:
    """Return a table whose texts hold no NUL; neither `text` nor `jsonb` can, though JSON has a way to write it."""
    for number, field in enumerate(table.schema):
        column = table.column(number)
        if _is_text(field.type):
            if _has_nul(column):
                mended = pc.replace_substring(column, "\x00", _REPLACEMENT)
                table = table.set_column(number, field, mended)
        elif _is_list(field.type) and _is_text(field.type.value_type):
            whole = column.combine_chunks()
            texts = whole.flatten()
            if _has_nul(texts):
                lengths = pc.fill_null(pc.list_value_length(whole), 0).to_numpy()
                mended = pa.ListArray.from_arrays(
                    pa.array([0, *lengths.cumsum().tolist()], pa.int32()),
                    pc.replace_substring(texts, "\x00", _REPLACEMENT),
                    mask=pc.is_null(whole),
                )
                table = table.set_column(number, field, mended.cast(field.type))
    return table


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _has_nul(texts: Any) -> bool:
    return bool(pc.any(pc.match_substring(texts, "\x00")).as_py())
