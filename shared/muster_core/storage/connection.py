"""Connections in the control database: made, tested, rotated, detached, removed; and their circuit breaker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict, MusterError, NotFound
from muster_core.exports.connection import (
    Secret,
    Target,
    dump_secret,
    parse_secret,
    parse_target,
    target_json,
)
from muster_core.exports.state import DeliveryState, Event
from muster_core.security.secret import KeyRing
from muster_core.spelling import name_hint
from muster_core.storage.delivery_event import NOW, apply_event, withdraw_waiting
from muster_core.storage.export_table import connection as table
from muster_core.storage.export_table import delivery, export

#: Transient failures in a row after which a destination is left alone for a while.
BREAKER_FAILURES = 5
BREAKER_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """A connection as people look at it: whether it has credentials, never which."""

    id: int
    target: Target
    has_secret: bool
    secret_rev: int
    paused: bool
    disabled: str | None
    failures: int
    closed_until: datetime | None
    tested_at: datetime | None
    test_error_class: str | None
    test_error: str | None
    #: Names of the exports that use it.
    exports: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """Return the connection's name."""
        return self.target.name


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OpenedConnection:
    """A destination with its credentials, for the exporter alone."""

    target: Target
    secret: Secret


def save_connection(
    connection: Connection, target: Target, secret: Secret | None, keys: KeyRing
) -> str:
    """Create the connection or change its document; return `created`, `changed` or `unchanged`.

    Raises:
        Conflict: the kind changes, or credentials are missing for a new one.
    """
    row = connection.execute(
        sa.select(table).where(table.c.name == target.name).with_for_update()
    ).one_or_none()
    if row is None:
        if secret is None and target.kind != "folder":
            raise Conflict(
                f"The connection `{target.name}` has no credentials.",
                hint="Give them with --secrets FILE, or --secrets - to read them from standard input.",
            )
        connection.execute(
            table.insert().values(name=target.name, kind=target.kind, document=target_json(target))
        )
        if secret is not None:
            rotate_secret(connection, target.name, secret, keys)
        return "created"
    if row.kind != target.kind:
        raise Conflict(
            f"The connection `{target.name}` is of the kind {row.kind}.",
            hint="Make another one, and let the exports name that.",
        )
    changed = row.document != target_json(target)
    connection.execute(
        table.update()
        .where(table.c.id == row.id)
        .values(document=target_json(target), updated_at=NOW, disabled=None)
    )
    if secret is not None:
        rotate_secret(connection, target.name, secret, keys)
    return "changed" if changed or secret is not None else "unchanged"


def rotate_secret(connection: Connection, name: str, secret: Secret, keys: KeyRing) -> None:
    """Replace the credentials; running deliveries end with the old ones.

    Raises:
        NotFound: there is no such connection.
    """
    row = _row(connection, name, lock=True)
    rev = row.secret_rev + 1
    sealed = keys.seal(json.dumps(dump_secret(secret)), context=_context(row.id, rev))
    connection.execute(
        table.update()
        .where(table.c.id == row.id)
        .values(secret=sealed, secret_rev=rev, updated_at=NOW, disabled=None)
    )


def reseal_secrets(connection: Connection, keys: KeyRing) -> int:
    """Seal every credential anew that an older key sealed, and return how many those were."""
    rows = connection.execute(
        sa.select(table.c.id, table.c.secret, table.c.secret_rev)
        .where(table.c.secret.is_not(None))
        .order_by(table.c.id)
        .with_for_update()
    ).all()
    old = [row for row in rows if not keys.is_current(row.secret)]
    for row in old:
        context = _context(row.id, row.secret_rev)
        sealed = keys.seal(keys.open(row.secret, context=context), context=context)
        connection.execute(table.update().where(table.c.id == row.id).values(secret=sealed))
    return len(old)


def open_connection(connection: Connection, connection_id: int, keys: KeyRing) -> OpenedConnection:
    """Return a destination with its credentials.

    Raises:
        SecretUnreadable: the key that sealed them is not at hand.
    """
    row = connection.execute(sa.select(table).where(table.c.id == connection_id)).one()
    opened = (
        {}
        if row.secret is None
        else json.loads(keys.open(row.secret, context=_context(row.id, row.secret_rev)))
    )
    return OpenedConnection(
        target=parse_target(row.document), secret=parse_secret(row.kind, opened)
    )


def find_opened(connection: Connection, name: str, keys: KeyRing) -> OpenedConnection:
    """Return the destination called `name` with its credentials.

    Raises:
        NotFound: there is none of that name.
        SecretUnreadable: the key that sealed them is not at hand.
    """
    return open_connection(connection, int(_row(connection, name).id), keys)


def list_connections(connection: Connection) -> list[StoredConnection]:
    """Return every connection by name."""
    return [
        _stored(connection, row)
        for row in connection.execute(sa.select(table).order_by(table.c.name)).all()
    ]


def get_connection(connection: Connection, name: str) -> StoredConnection:
    """Return one connection.

    Raises:
        NotFound: there is none of that name.
    """
    return _stored(connection, _row(connection, name))


def detach_connection(connection: Connection, name: str) -> list[str]:
    """Take the connection away from its exports, which stay and are inactive; return their names."""
    row = _row(connection, name, lock=True)
    found = connection.execute(
        export.update()
        .where(export.c.connection_id == row.id)
        .values(
            connection_id=None,
            active=False,
            document=export.c.document.op("||")(sa.cast({"active": False}, export.c.document.type)),
            updated_at=NOW,
        )
        .returning(export.c.id, export.c.name)
    ).all()
    withdraw_waiting(connection, delivery.c.export_id.in_([e.id for e in found]), actor="detached")
    return sorted(e.name for e in found)


def delete_connection(connection: Connection, name: str) -> None:
    """Remove a connection that nothing uses.

    Raises:
        Conflict: exports use it; the message names them.
    """
    stored = get_connection(connection, name)
    if stored.exports:
        raise Conflict(
            f"The connection `{name}` is used by {', '.join(stored.exports)}.",
            hint=f"Detach it first: `muster connection detach {name}`.",
        )
    connection.execute(table.delete().where(table.c.id == stored.id))


def pause_connection(connection: Connection, name: str, *, paused: bool, actor: str) -> int:
    """Hold what waits for the connection, or let it go on; return how many deliveries that moved.

    What somebody holds by itself stays held.
    """
    row = _row(connection, name, lock=True)
    values: dict[str, Any] = {"paused": paused, "updated_at": NOW}
    if not paused:
        values |= {"disabled": None, "failures": 0, "closed_until": None}
    connection.execute(table.update().where(table.c.id == row.id).values(**values))
    waits = delivery.c.state == DeliveryState.PENDING
    if not paused:
        waits = sa.and_(delivery.c.state == DeliveryState.HELD, delivery.c.reason == Event.PAUSED)
    waiting = connection.scalars(
        sa.select(delivery.c.id)
        .join_from(delivery, export, delivery.c.export_id == export.c.id)
        .where(export.c.connection_id == row.id, waits)
        .order_by(delivery.c.id)
        .with_for_update(of=delivery)
    ).all()
    event = Event.PAUSED if paused else Event.RESUMED
    return sum(apply_event(connection, number, event, actor=actor) for number in waiting)


def ask_test(connection: Connection, name: str) -> int:
    """Ask an exporter to try the connection; return the connection's id."""
    row = _row(connection, name, lock=True)
    connection.execute(
        table.update().where(table.c.id == row.id).values(test_asked_at=NOW, tested_at=None)
    )
    return int(row.id)


def take_test(connection: Connection) -> int | None:
    """Take one test that was asked for, or return None; the answer follows with `answer_test`."""
    found = connection.execute(
        sa.select(table.c.id)
        .where(table.c.test_asked_at.is_not(None))
        .order_by(table.c.test_asked_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if found is not None:
        connection.execute(table.update().where(table.c.id == found).values(test_asked_at=None))
    return found


def answer_test(connection: Connection, connection_id: int, error: MusterError | None) -> None:
    """Note how a test went."""
    connection.execute(
        table.update()
        .where(table.c.id == connection_id)
        .values(
            tested_at=NOW,
            test_error_class=None if error is None else error.code,
            # a delivery is tried again by itself, a test is not
            test_error=None if error is None else error.without_promise(),
        )
    )


def note_outcome(
    connection: Connection, connection_id: int, *, transient_failure: bool, gone: str | None = None
) -> None:
    """Count failures in a row; at the fifth, leave the destination alone for a minute."""
    which = [table.c.id == connection_id]
    if gone is not None:
        values: dict[str, Any] = {"disabled": gone}
    elif transient_failure:
        count = table.c.failures + 1
        closed = sa.case((count >= BREAKER_FAILURES, NOW + BREAKER_PAUSE), else_=None)
        values = {"failures": count, "closed_until": closed}
    else:
        values = {"failures": 0, "closed_until": None}
        which.append(table.c.failures > 0)  # the row is locked only where there is something to say
    connection.execute(table.update().where(*which).values(**values))


def connection_id(connection: Connection, name: str) -> int:
    """Return the id of a connection that exports name.

    Raises:
        NotFound: there is none of that name.
    """
    return int(_row(connection, name).id)


def _context(connection_id: int, rev: int) -> str:
    return f"connection:{connection_id}:{rev}"


def _row(connection: Connection, name: str, *, lock: bool = False) -> Any:
    query = sa.select(table).where(table.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        known = connection.scalars(sa.select(table.c.name))
        raise NotFound(
            f"There is no connection `{name}`.",
            hint=name_hint(name, known, "`muster connection list` shows all."),
        )
    return row


def _stored(connection: Connection, row: Any) -> StoredConnection:
    exports = connection.scalars(
        sa.select(export.c.name).where(export.c.connection_id == row.id).order_by(export.c.name)
    ).all()
    same = ("id", "secret_rev", "paused", "disabled", "failures", "closed_until", "tested_at")
    more = ("test_error_class", "test_error", "created_at", "updated_at")
    return StoredConnection(
        target=parse_target(row.document),
        has_secret=row.secret is not None,
        exports=tuple(exports),
        **{name: row._mapping[name] for name in (*same, *more)},
    )
