"""The one way a delivery changes state: a legal move, compared with state and fence, and its event row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.exports.erasure import PartState
from muster_core.exports.state import DeliveryState, Event, sources, target
from muster_core.storage.erasure_table import erasure_part
from muster_core.storage.export_table import delivery, delivery_event

#: The database's time, which alone decides about leases and waiting times.
NOW: sa.ColumnElement[datetime] = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))


#: Whether a delivery is to write its files again, without somebody who was erased: nothing newer replaces that.
REWRITES = sa.exists().where(
    erasure_part.c.delivery_id == delivery.c.id,
    erasure_part.c.state.in_([PartState.PENDING, PartState.SENT]),
)
_GIVEN_UP = frozenset({Event.CANCELLED, Event.SUPERSEDED, Event.GAVE_UP, Event.REFUSED})


def create_delivery(
    connection: Connection,
    *,
    export_id: int,
    segment_id: int,
    version: int,
    document: Mapping[str, Any],
    actor: str,
    reason: str = "published",
) -> int | None:
    """Queue the delivery of one version, unless it was queued before; return its id or None."""
    # Read first: the unique constraint alone would also hold, but at the price of the transaction.
    existing = connection.execute(
        sa.select(delivery.c.id).where(
            delivery.c.export_id == export_id,
            delivery.c.segment_id == segment_id,
            delivery.c.version == version,
        )
    ).one_or_none()
    if existing is not None:
        return None
    created = connection.execute(
        delivery.insert()
        .values(
            export_id=export_id,
            segment_id=segment_id,
            version=version,
            document=dict(document),
            reason=reason,
        )
        .returning(delivery.c.id)
    ).scalar_one()
    connection.execute(
        delivery_event.insert().values(
            delivery_id=created, to_state=DeliveryState.PENDING, actor=actor, reason=reason
        )
    )
    return int(created)


def apply_event(
    connection: Connection,
    delivery_id: int,
    event: Event,
    *,
    actor: str,
    fence: int | None = None,
    new_fence: int | None = None,
    values: Mapping[str, Any] | None = None,
) -> bool:
    """Make one legal move and write its event row; return False where the state or fence forbids it.

    Args:
        connection: inside a transaction.
        delivery_id: which delivery.
        event: what happens.
        actor: who makes it happen, for the history.
        fence: the fence the row must have, for moves of a holder.
        new_fence: the fence the row gets, for a claim.
        values: further columns to set.
    """
    before = connection.execute(
        sa.select(delivery.c.state, delivery.c.fence)
        .where(delivery.c.id == delivery_id)
        .with_for_update()
    ).one_or_none()
    if before is None or before.state not in sources(event):
        return False
    if fence is not None and before.fence != fence:
        return False
    set_fence = {} if new_fence is None else {"fence": new_fence}
    connection.execute(
        delivery.update()
        .where(delivery.c.id == delivery_id)
        .values(state=target(event), reason=event, **set_fence, **(values or {}))
    )
    connection.execute(
        delivery_event.insert().values(
            delivery_id=delivery_id,
            from_state=before.state,
            to_state=target(event),
            fence=new_fence if new_fence is not None else fence,
            actor=actor,
            reason=event,
        )
    )
    _note_erasures(connection, delivery_id, event, values or {})
    return True


def withdraw_waiting(
    connection: Connection,
    *where: sa.ColumnElement[bool],
    event: Event = Event.CANCELLED,
    actor: str,
) -> None:
    """Let what waits to be delivered be, where all of `where` holds.

    Files that are to be written again without an erased customer are not given up: nothing else removes them.

    Args:
        connection: inside a transaction.
        where: conditions on the table of deliveries.
        event: what happens to them; it decides about the states they may be in.
        actor: who makes it happen, for the history.
    """
    waiting = connection.scalars(
        sa.select(delivery.c.id)
        .where(delivery.c.state.in_(sources(event) - {DeliveryState.RUNNING}), *where, ~REWRITES)
        .order_by(delivery.c.id)
        .with_for_update()
    ).all()
    for delivery_id in waiting:
        apply_event(connection, delivery_id, event, actor=actor, values={"finished_at": NOW})


def _note_erasures(
    connection: Connection, delivery_id: int, event: Event, values: Mapping[str, Any]
) -> None:
    """Note in the receipts of erasures that wait for a delivery how far it is."""
    if event is Event.CLAIMED:
        known: dict[str, Any] = {"state": PartState.SENT, "sent_at": NOW}
    elif event is Event.ACKNOWLEDGED:
        known = {"state": PartState.ACKNOWLEDGED, "acknowledged_at": NOW}
        known |= {"location": values.get("location"), "error_class": None, "error": None}
    elif event in _GIVEN_UP:
        known = {"state": PartState.FAILED, "error_class": values.get("error_class", event)}
        known["error"] = values.get("error", f"The delivery was {event}.")
    else:
        return
    connection.execute(
        erasure_part.update()
        .where(
            erasure_part.c.delivery_id == delivery_id,
            erasure_part.c.state != PartState.ACKNOWLEDGED,
        )
        .values(**known)
    )
