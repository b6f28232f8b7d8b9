"""The queue of deliveries: claimed, leased and fenced rows; every move is one compare-and-set and one event.

Functions take a connection inside a transaction of the caller's, do no other I/O, and are safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import LeaseLost, MusterError, TargetUnavailable, TransientError
from muster_core.exports.claim import Chunk, ClaimedDelivery, Refused
from muster_core.exports.state import DeliveryState, Event, failure, lost_lease, target
from muster_core.lake.manifest import Pointer
from muster_core.runs.backoff import Backoff
from muster_core.runs.input import stale_segments
from muster_core.security.erasure import SealedErasure
from muster_core.storage.basis import (
    VERSION_FACTS,
    basis_of,
    keep_refused,
    move_basis,
    pin_basis,
)
from muster_core.storage.connection import note_outcome
from muster_core.storage.delivery_event import NOW, apply_event
from muster_core.storage.destination import pin_destination
from muster_core.storage.dispatch import next_delivery
from muster_core.storage.erasure import sealed_erasures
from muster_core.storage.export_table import delivery, delivery_chunk
from muster_core.storage.never_sent import never_sent, pin_never_sent
from muster_core.storage.schema import fence_seq

#: Which attempt in a row this is that brings nothing; one that brought something is the first of a new row.
_ATTEMPT = sa.case(
    (
        sa.exists().where(
            delivery_chunk.c.delivery_id == delivery.c.id,
            delivery_chunk.c.acknowledged_at >= delivery.c.started_at,
        ),
        1,
    ),
    else_=delivery.c.attempt,
)
_NO_LEASE: Mapping[str, Any] = {"lease_owner": None, "lease_expires_at": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHeartbeat:
    """The answer to a heartbeat: whether the lease is still held, and whether to stop."""

    held: bool
    cancelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapedDeliveries:
    """How many expired deliveries went back to the queue, and how many failed for good."""

    returned: int
    failed: int


def claim_delivery(
    connection: Connection, *, exporter: str, lease: timedelta
) -> ClaimedDelivery | None:
    """Take the oldest deliverable delivery under a new fence, or return None.

    A connection takes as many at once as its document says, and none while it is paused, disabled or left
    alone after failures; of one segment an export sends one version at a time.
    The attempt is counted here, so a delivery that kills its exporter runs out of attempts.
    """
    delivery_id = next_delivery(connection)
    if delivery_id is None:
        return None
    fence = connection.execute(sa.select(fence_seq.next_value())).scalar_one()
    apply_event(
        connection,
        delivery_id,
        Event.CLAIMED,
        actor=exporter,
        new_fence=fence,
        values={
            "attempt": delivery.c.attempt + 1,
            "lease_owner": exporter,
            "lease_expires_at": NOW + lease,
            "started_at": NOW,
            "finished_at": None,
            "cancel_requested": False,
        },
    )
    pin_destination(connection, delivery_id)
    pin_basis(connection, delivery_id)
    pin_never_sent(connection, delivery_id)
    # read behind the move above, which waits for whoever erases somebody: nobody is missed
    erased = sealed_erasures(connection)
    newest = max((e.id for e in erased), default=0)
    connection.execute(delivery.update().where(delivery.c.id == delivery_id).values(erased=newest))
    return _claimed(connection, delivery_id, erased)


def heartbeat_delivery(
    connection: Connection, claim: ClaimedDelivery, lease: timedelta
) -> DeliveryHeartbeat:
    """Extend the lease by `lease` from now, if the fence still holds."""
    row = connection.execute(
        delivery.update()
        .where(*_held(claim))
        .values(lease_expires_at=NOW + lease)
        .returning(delivery.c.cancel_requested)
    ).one_or_none()
    return DeliveryHeartbeat(
        held=row is not None, cancelled=row is not None and row.cancel_requested
    )


def checkpoint_chunk(
    connection: Connection, claim: ClaimedDelivery, chunk: Chunk, refused: Sequence[Refused] = ()
) -> None:
    """Record that the destination holds `chunk`, but for rows it refused: where a later attempt resumes.

    What arrives for the first time ends the row of failures: attempts that bring nothing run out, others do not.

    Raises:
        LeaseLost: the delivery belongs to somebody else now; nothing was written.
    """
    _lock_held(connection, claim)
    values = {
        "name": chunk.name,
        "rows": chunk.rows,
        "bytes": chunk.bytes,
        "sha256": chunk.sha256,
    }
    updated = connection.execute(
        delivery_chunk.update()
        .where(delivery_chunk.c.delivery_id == claim.id, delivery_chunk.c.number == chunk.number)
        .values(**values)
    )
    if updated.rowcount == 0:
        connection.execute(
            delivery_chunk.insert().values(delivery_id=claim.id, number=chunk.number, **values)
        )
        if claim.connection_id is not None:
            note_outcome(connection, claim.connection_id, transient_failure=False)
    keep_refused(connection, claim, refused)


def finish_delivery(
    connection: Connection,
    claim: ClaimedDelivery,
    *,
    rows: int,
    size: int,
    location: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Record that everything is at the destination: `rows` of them, `size` bytes, at `location`.

    `counts` says how many rows there were of each operation. From here on changes are told from this version.

    Raises:
        LeaseLost: the delivery belongs to somebody else now.
    """
    done = apply_event(
        connection,
        claim.id,
        Event.ACKNOWLEDGED,
        actor=claim.exporter,
        fence=claim.fence,
        values={
            **_NO_LEASE,
            "rows": rows,
            "bytes": size,
            "location": location,
            "counts": None if counts is None else dict(counts),
            "finished_at": NOW,
            "error_class": None,
            "error": None,
        },
    )
    if done:
        move_basis(connection, claim)
    elif not _is_finished(connection, claim):
        raise LeaseLost


def fail_delivery(
    connection: Connection,
    claim: ClaimedDelivery,
    error: MusterError,
    *,
    backoff: Backoff,
) -> DeliveryState:
    """Record a failed attempt: back to the queue after a back-off, or failed for good.

    Raises:
        LeaseLost: the delivery belongs to somebody else now.
    """
    _lock_held(connection, claim)
    attempt = connection.execute(sa.select(_ATTEMPT).where(delivery.c.id == claim.id)).scalar_one()
    event = failure(
        transient=isinstance(error, TransientError),
        attempt=attempt,
        max_attempts=claim.max_attempts,
    )
    wait = backoff.delay(attempt)
    if isinstance(error, TargetUnavailable) and error.retry_after is not None:
        wait = max(wait, timedelta(seconds=error.retry_after))
    ended: dict[str, Any] = {"finished_at": NOW, "error": error.without_promise()}
    if event is Event.RETRY:
        ended = {"available_at": NOW + wait, "error": str(error), "attempt": attempt}
    apply_event(
        connection,
        claim.id,
        event,
        actor=claim.exporter,
        fence=claim.fence,
        values={**_NO_LEASE, **ended, "error_class": error.code},
    )
    return target(event)


def release_delivery(connection: Connection, claim: ClaimedDelivery) -> bool:
    """Give the delivery back without counting the attempt; return whether it was still held."""
    return apply_event(
        connection,
        claim.id,
        Event.RELEASED,
        actor=claim.exporter,
        fence=claim.fence,
        values={**_NO_LEASE, "attempt": delivery.c.attempt - 1, "available_at": NOW},
    )


def cancel_delivery(connection: Connection, claim: ClaimedDelivery) -> bool:
    """Acknowledge that somebody asked to cancel; return whether it was still held."""
    return apply_event(
        connection,
        claim.id,
        Event.CANCELLED,
        actor=claim.exporter,
        fence=claim.fence,
        values={**_NO_LEASE, "finished_at": NOW},
    )


def reap_deliveries(connection: Connection, *, actor: str = "reaper") -> ReapedDeliveries:
    """Put deliveries whose lease has ended back into the queue; chunks are kept, retry is at once."""
    expired = connection.execute(
        sa.select(
            delivery.c.id,
            delivery.c.fence,
            _ATTEMPT.label("attempt"),
            delivery.c.max_attempts,
            delivery.c.cancel_requested,
        )
        .where(delivery.c.state == DeliveryState.RUNNING, delivery.c.lease_expires_at < NOW)
        .order_by(delivery.c.id)
        .with_for_update(skip_locked=True)
    ).all()
    returned = failed = 0
    for row in expired:
        event = (
            Event.CANCELLED
            if row.cancel_requested
            else lost_lease(attempt=row.attempt, max_attempts=row.max_attempts)
        )
        values: dict[str, Any] = {**_NO_LEASE, "error_class": "lease_expired"}
        values["error"] = "The exporter that delivered this stopped answering."
        values |= {"finished_at": NOW}
        if event is Event.LEASE_EXPIRED:
            values |= {"finished_at": None, "available_at": NOW, "attempt": row.attempt}
        apply_event(connection, row.id, event, actor=actor, fence=row.fence, values=values)
        returned += event is Event.LEASE_EXPIRED
        failed += event is Event.GAVE_UP
    return ReapedDeliveries(returned=returned, failed=failed)


def _held(claim: ClaimedDelivery) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        delivery.c.id == claim.id,
        delivery.c.fence == claim.fence,
        delivery.c.state == DeliveryState.RUNNING,
    )


def _is_finished(connection: Connection, claim: ClaimedDelivery) -> bool:
    """Whether this very claim was finished before: the answer to that commit was lost."""
    row = connection.execute(
        sa.select(delivery.c.state, delivery.c.fence).where(delivery.c.id == claim.id)
    ).one()
    return (row.state, row.fence) == (DeliveryState.DELIVERED, claim.fence)


def _lock_held(connection: Connection, claim: ClaimedDelivery) -> None:
    row = connection.execute(
        sa.select(delivery.c.id).where(*_held(claim)).with_for_update()
    ).one_or_none()
    if row is None:
        raise LeaseLost


def _claimed(
    connection: Connection, delivery_id: int, erased: tuple[SealedErasure, ...]
) -> ClaimedDelivery:
    row = connection.execute(VERSION_FACTS.where(delivery.c.id == delivery_id)).one()
    chunks = connection.execute(
        sa.select(delivery_chunk)
        .where(delivery_chunk.c.delivery_id == delivery_id)
        .order_by(delivery_chunk.c.number)
    )
    return ClaimedDelivery(
        id=row.id,
        fence=row.fence,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        exporter=row.lease_owner,
        export=row.export_name,
        segment=row.segment_name,
        version=row.version,
        document=row.document,
        connection_id=row.connection_id,
        definition=row.definition,
        pointer=Pointer(manifest=row.manifest, manifest_sha256=row.manifest_sha256, bit=row.bit),
        snapshot=row.snapshot_manifest,
        snapshot_sha256=row.snapshot_sha256,
        as_of=row.as_of,
        published_at=row.published_at,
        member_count=row.member_count,
        stale=stale_segments(row.inputs),
        chunks=tuple(
            Chunk(number=c.number, name=c.name, rows=c.rows, bytes=c.bytes, sha256=c.sha256)
            for c in chunks
        ),
        basis=basis_of(connection, row),
        edition=row.edition,
        erased=erased,
        never_sent=never_sent(connection, row),
    )
