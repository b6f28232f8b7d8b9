"""What PostgreSQL says when it refuses, in Muster's own errors.

The server's words may quote values of rows or parts of an address, so only the words of the class 42
(names and syntax, which come from the catalog) are passed on.
"""

from __future__ import annotations

import re

from muster_core.errors import (
    MusterError,
    SourceDenied,
    SourceMissing,
    SourceTimeout,
    SourceUnavailable,
    SourceUnreadable,
)

_SAID = re.compile(r"(?:ERROR|FATAL):\s+([^\n]*)")

_DENIED = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|"
    r"role \"[^\"]*\" (?:does not exist|is not permitted)|permission denied for database"
)
_NO_DATABASE = re.compile(r"database \"[^\"]*\" does not exist")

#: Classes of SQLSTATE that may pass: connection, operator, resources, conflict, system.
_BROKEN = ("08", "57", "53", "40", "58", "XX")

_TIMEOUTS = {
    "57014": (
        "was cancelled, or took longer than statement_timeout",
        "Raise statement_timeout of the source.",
    ),
    "55P03": (
        "is locked by somebody else",
        "It is tried again; raise lock_timeout if it stays so.",
    ),
    "25P03": (
        "ended a transaction that waited",
        "Raise idle_in_transaction_session_timeout there.",
    ),
}


def connection_failure(host: str, said: str) -> MusterError:
    """Return the error for a connection that was not made; libpq gives no code, only words."""
    if _NO_DATABASE.search(said):
        return SourceMissing(
            f"The PostgreSQL server {host} has no database of the name in the source's address.",
            hint="Correct the address.",
        )
    if _DENIED.search(said):
        return SourceDenied(
            f"The PostgreSQL server {host} refused the source's login.",
            hint="Correct user and password in its address, or let them in on the server.",
        )
    return SourceUnavailable(
        f"The PostgreSQL server {host} does not answer.",
        hint="Check that it runs and that this machine may reach it; the work is tried again.",
    )


def statement_failure(table: str, host: str, code: str | None, said: str) -> MusterError:
    """Return the error for a statement that failed with SQLSTATE `code` while `table` was read."""
    if code is None or (code[:2] in _BROKEN and code not in _TIMEOUTS):
        return SourceUnavailable(
            f"The PostgreSQL server {host} broke off while {table} was read.",
            hint="The work is tried again.",
        )
    if code in _TIMEOUTS:
        what, hint = _TIMEOUTS[code]
        return SourceTimeout(f"Reading {table} from {host} {what}.", hint=hint)
    if code == "25006":
        return SourceUnreadable(
            f"The query of {table} changes data; a source is only read.",
            hint="Write a SELECT without functions and clauses that write or lock.",
        )
    if code == "42501":
        return SourceDenied(
            f"The source's login may not read {table} on {host}{_words(said)}.",
            hint="GRANT it SELECT on the table, and USAGE on its schema.",
        )
    if code in ("42P01", "3F000"):
        return SourceMissing(
            f"The source of {table} on {host} does not exist{_words(said)}.",
            hint="Correct its name, with the schema before it.",
        )
    if code.startswith("42"):
        return SourceUnreadable(
            f"PostgreSQL does not take the source of {table}{_words(said)}.",
            hint="Correct the columns or the query in the catalog.",
        )
    if code[:2] in ("22", "0A"):
        return SourceUnreadable(
            f"PostgreSQL cannot compute a value of {table} (SQLSTATE {code}).",
            hint="Correct the query, or the row it stumbles over.",
        )
    if code.startswith("55"):
        return SourceUnavailable(f"{table} on {host} is not ready to be read.")
    return SourceUnreadable(f"PostgreSQL did not read {table} (SQLSTATE {code}).")


def _words(said: str) -> str:
    match = _SAID.search(said)
    first = match[1] if match else said.strip().partition("\n")[0]
    return f": {first.strip()}" if first.strip() else ""
