"""Customers who were erased: whom nothing is delivered of any more, and what was done at each destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.errors import MusterError, NotFound, TransientError
from muster_core.exports.document import parse_export
from muster_core.exports.erasure import (
    ENDED,
    ClaimedRemoval,
    ErasurePart,
    How,
    PartState,
    Receipt,
)
from muster_core.runs.backoff import Backoff
from muster_core.security.erasure import (
    SealedErasure,
    keyed_digest,
    new_pepper,
    open_pepper,
    reseal_customer,
    reseal_pepper,
    seal_customer,
)
from muster_core.security.secret import KeyRing
from muster_core.storage.delivery_event import NOW
from muster_core.storage.erasure_table import erasure, erasure_part, erasure_secret
from muster_core.storage.export_table import connection as target
from muster_core.storage.schema import fence_seq

#: The error class of what could not be done from the first.
_UNREACHABLE = "not_rewritten"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """One thing to be done at a destination."""

    export: str
    kind: str
    how: How
    document: Mapping[str, Any]
    connection_id: int | None
    versions: Mapping[str, list[int]]
    delivery_id: int | None = None
    wait: timedelta = timedelta(0)
    #: Why it cannot be done.
    error: str | None = None


def sealed_erasures(connection: Connection) -> tuple[SealedErasure, ...]:
    """Return every customer who was erased, the first one first."""
    rows = connection.execute(
        sa.select(erasure.c.id, erasure.c.digest, erasure.c.place, erasure_secret.c.sealed)
        .join_from(erasure, erasure_secret, sa.true())
        .order_by(erasure.c.id)
    )
    return tuple(
        SealedErasure(id=r.id, digest=bytes(r.digest), place=r.place, pepper=r.sealed) for r in rows
    )


def insert_erasure(connection: Connection, key: str, keys: KeyRing, *, actor: str) -> int:
    """Note that the customer with this canonical key was erased, and return the erasure's id.

    Safe to repeat: a customer is erased once. The key is kept, sealed, until every destination was told.
    """
    pepper = connection.scalar(sa.select(erasure_secret.c.sealed))
    if pepper is None:
        made = insert(erasure_secret).values(id=1, sealed=new_pepper(keys))
        connection.execute(made.on_conflict_do_nothing())
        pepper = connection.execute(sa.select(erasure_secret.c.sealed)).scalar_one()
    digest = keyed_digest(open_pepper(pepper, keys), key)
    place, customer = seal_customer(keys, digest, key)
    values = {"digest": digest, "place": place, "customer": customer, "requested_by": actor}
    made = insert(erasure).values(**values)
    found: int = connection.execute(
        made.on_conflict_do_update(
            index_elements=["digest"], set_={"customer": customer}
        ).returning(erasure.c.id)
    ).scalar_one()
    return found


def add_parts(connection: Connection, erasure_id: int, parts: Sequence[NewPart]) -> None:
    """Note what is to be done at each destination; what failed before is tried again."""
    connection.execute(
        erasure_part.update()
        .where(
            erasure_part.c.erasure_id == erasure_id,
            erasure_part.c.state == PartState.FAILED,
            erasure_part.c.how == How.REMOVAL,
            # where there is nothing to be reached any more, nothing is tried
            erasure_part.c.error_class.is_distinct_from(_UNREACHABLE),
        )
        .values(state=PartState.PENDING, attempt=0, available_at=NOW)
    )
    for part in parts:
        connection.execute(
            erasure_part.insert().values(
                erasure_id=erasure_id,
                export=part.export,
                kind=part.kind,
                how=part.how,
                state=PartState.PENDING if part.error is None else PartState.FAILED,
                document=dict(part.document),
                connection_id=part.connection_id,
                delivery_id=part.delivery_id,
                versions=dict(part.versions),
                available_at=NOW + part.wait,
                error_class=None if part.error is None else _UNREACHABLE,
                error=part.error,
            )
        )
    _forget_customers(connection)


def count_refused(connection: Connection, erasure_id: int, removed: int) -> None:
    """Note how many refused rows were removed."""
    connection.execute(
        erasure.update()
        .where(erasure.c.id == erasure_id)
        .values(refused_rows=erasure.c.refused_rows + removed)
    )


def give_up_rewrites(connection: Connection, deliveries: sa.ScalarSelect[int]) -> None:
    """Note that these deliveries go with their export: what they brought stays where it is."""
    error = "The export was removed before its files were written again."
    connection.execute(
        erasure_part.update()
        .where(
            erasure_part.c.delivery_id.in_(deliveries),
            erasure_part.c.state != PartState.ACKNOWLEDGED,
        )
        .values(state=PartState.FAILED, error_class="gone", error=error)
    )


def take_removal(connection: Connection, *, lease: timedelta) -> ClaimedRemoval | None:
    """Take one removal that waits, or whose exporter died, or return None.

    It is safe to do twice, so it needs no heartbeat: after `lease` it is taken again.
    """
    table = erasure_part
    row = connection.execute(
        sa.select(table, erasure.c.customer, erasure.c.digest, erasure.c.requested_at)
        .join_from(table, erasure, erasure.c.id == table.c.erasure_id)
        .outerjoin(target, target.c.id == table.c.connection_id)
        .where(
            table.c.how == How.REMOVAL,
            table.c.state.in_([PartState.PENDING, PartState.SENT]),
            table.c.available_at <= NOW,
            sa.or_(
                table.c.connection_id.is_(None),
                sa.and_(
                    ~target.c.paused,
                    sa.or_(target.c.closed_until.is_(None), target.c.closed_until <= NOW),
                ),
            ),
        )
        .order_by(table.c.id)
        .limit(1)
        .with_for_update(of=table, skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    fence = connection.execute(sa.select(fence_seq.next_value())).scalar_one()
    connection.execute(
        table.update()
        .where(table.c.id == row.id)
        .values(
            state=PartState.SENT,
            attempt=table.c.attempt + 1,
            available_at=NOW + lease,
            fence=fence,
            sent_at=NOW,
        )
    )
    return ClaimedRemoval(
        id=row.id,
        fence=fence,
        attempt=row.attempt + 1,
        max_attempts=row.max_attempts,
        erasure=row.erasure_id,
        requested_at=row.requested_at,
        digest=bytes(row.digest),
        sealed=row.customer,
        document=parse_export(row.document),
        connection_id=row.connection_id,
    )


def finish_removal(
    connection: Connection, claim: ClaimedRemoval, *, rows: int | None, location: str
) -> None:
    """Note that a destination was told; what somebody else holds by now is left alone."""
    values = {
        "state": PartState.ACKNOWLEDGED,
        "acknowledged_at": NOW,
        "rows": rows,
        "location": location,
        "error_class": None,
        "error": None,
    }
    _end(connection, claim, values)


def fail_removal(
    connection: Connection, claim: ClaimedRemoval, error: MusterError, *, backoff: Backoff
) -> None:
    """Note that it did not work: it is tried again after a while, or given up."""
    again = isinstance(error, TransientError) and claim.attempt < claim.max_attempts
    values: dict[str, Any] = {"error_class": error.code}
    if again:
        wait = backoff.delay(claim.attempt)
        values |= {"state": PartState.PENDING, "available_at": NOW + wait, "error": str(error)}
    else:
        values |= {"state": PartState.FAILED, "error": error.without_promise()}
    _end(connection, claim, values)


def list_receipts(connection: Connection, *, limit: int = 50) -> list[Receipt]:
    """Return what came of erasures, the newest first."""
    rows = connection.execute(sa.select(erasure).order_by(erasure.c.id.desc()).limit(limit)).all()
    return [_receipt(connection, row) for row in rows]


def get_receipt(connection: Connection, erasure_id: int) -> Receipt:
    """Return what came of one erasure.

    Raises:
        NotFound: there is none of that number.
    """
    row = connection.execute(sa.select(erasure).where(erasure.c.id == erasure_id)).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no erasure {erasure_id}.", hint="`muster customer receipts` lists them."
        )
    return _receipt(connection, row)


def reseal_erasures(connection: Connection, keys: KeyRing) -> int:
    """Seal what is kept of erased customers anew that an older key sealed; return how many those were."""
    pepper = connection.scalar(sa.select(erasure_secret.c.sealed).with_for_update())
    if pepper is None:
        return 0
    if not keys.is_current(pepper):
        connection.execute(erasure_secret.update().values(sealed=reseal_pepper(pepper, keys)))
    rows = connection.execute(sa.select(erasure).order_by(erasure.c.id).with_for_update()).all()
    old = [r for r in rows if not all(keys.is_current(s) for s in (r.place, r.customer) if s)]
    for row in old:
        place, customer = reseal_customer(keys, bytes(row.digest), row.place, row.customer)
        connection.execute(
            erasure.update().where(erasure.c.id == row.id).values(place=place, customer=customer)
        )
    return len(old)


def _end(connection: Connection, claim: ClaimedRemoval, values: Mapping[str, Any]) -> None:
    connection.execute(
        erasure_part.update()
        .where(
            erasure_part.c.id == claim.id,
            erasure_part.c.fence == claim.fence,
            erasure_part.c.state == PartState.SENT,
        )
        .values(**values)
    )
    _forget_customers(connection)


def _forget_customers(connection: Connection) -> None:
    """Forget the keys of customers whose removal nobody needs to be told any more."""
    waits = sa.exists().where(
        erasure_part.c.erasure_id == erasure.c.id,
        erasure_part.c.how == How.REMOVAL,
        erasure_part.c.state.not_in(ENDED),
    )
    connection.execute(
        erasure.update().where(erasure.c.customer.is_not(None), ~waits).values(customer=None)
    )


def _receipt(connection: Connection, row: Any) -> Receipt:
    same = ("export", "kind", "versions", "sent_at", "acknowledged_at", "rows", "location", "error")
    parts = connection.execute(
        sa.select(erasure_part)
        .where(erasure_part.c.erasure_id == row.id)
        .order_by(erasure_part.c.id)
    )
    return Receipt(
        id=row.id,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        refused_rows=row.refused_rows,
        parts=tuple(
            ErasurePart(
                destination=parse_export(part.document).target,
                how=How(part.how),
                state=PartState(part.state),
                **{name: part._mapping[name] for name in same},
            )
            for part in parts
        ),
    )
