"""What people do with single deliveries: hold, release, cancel and repeat them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict, NotFound
from muster_core.exports.document import Mode
from muster_core.exports.state import DeliveryState, Event, sources
from muster_core.storage.collection import require_kept
from muster_core.storage.delivery_event import NOW, apply_event
from muster_core.storage.destination import tell_anew
from muster_core.storage.export_table import delivery, export_basis


def hold_delivery(connection: Connection, delivery_id: int, *, actor: str) -> DeliveryState:
    """Keep a waiting delivery from being sent until it is released.

    Raises:
        NotFound: there is no such delivery.
        Conflict: it does not wait.
    """
    return _move(connection, delivery_id, Event.HELD, actor)


def resume_delivery(connection: Connection, delivery_id: int, *, actor: str) -> DeliveryState:
    """Let a held delivery be sent.

    Raises:
        NotFound: there is no such delivery.
        Conflict: it is not held.
    """
    return _move(connection, delivery_id, Event.RESUMED, actor)


def cancel(connection: Connection, delivery_id: int, *, actor: str) -> DeliveryState:
    """Cancel a delivery; one that runs is asked to stop, and ends as soon as its exporter looks.

    Raises:
        NotFound: there is no such delivery.
        Conflict: it has ended.
    """
    if _state(connection, delivery_id) is DeliveryState.RUNNING:
        connection.execute(
            delivery.update().where(delivery.c.id == delivery_id).values(cancel_requested=True)
        )
        return DeliveryState.RUNNING
    return _move(connection, delivery_id, Event.CANCELLED, actor)


def redeliver(connection: Connection, delivery_id: int, *, actor: str) -> DeliveryState:
    """Send a delivery again, under the same names and ids and with the same bytes.

    Raises:
        NotFound: there is no such delivery.
        Conflict: it waits or runs, it tells changes and the destination holds a newer version, or its version
            is no longer kept.
    """
    state = _state(connection, delivery_id)
    row = connection.execute(sa.select(delivery).where(delivery.c.id == delivery_id)).one()
    newer = connection.scalar(
        sa.select(export_basis.c.version).where(
            export_basis.c.export_id == row.export_id,
            export_basis.c.segment_id == row.segment_id,
            export_basis.c.version > row.version,
        )
    )
    changes = row.document.get("mode") in [mode for mode in Mode if mode.tells_changes]
    if newer is not None and changes and state is not DeliveryState.DELIVERED:
        raise Conflict(
            f"The destination holds version {newer} already, and these changes lead to an older one.",
            hint="Deliver the latest version: `muster export deliver NAME`.",
        )
    require_kept(connection, row.segment_id, row.version)
    if row.basis is not None and row.basis.get("version") is not None:
        require_kept(connection, row.segment_id, row.basis["version"])
    tell_anew(connection, delivery_id)
    return _move(connection, delivery_id, Event.REQUESTED, actor)


def _move(connection: Connection, delivery_id: int, event: Event, actor: str) -> DeliveryState:
    state = _state(connection, delivery_id)
    if state not in sources(event):
        known = ", ".join(sorted(sources(event)))
        raise Conflict(f"The delivery {delivery_id} is {state}; this is for: {known}.")
    values: dict[str, object] = {}
    if event is Event.CANCELLED:
        values = {"finished_at": NOW}
    elif event is Event.REQUESTED:
        ended = {"finished_at": None, "error_class": None, "error": None}
        values = {"attempt": 0, "available_at": NOW, **ended}
    apply_event(connection, delivery_id, event, actor=actor, values=values)
    return _state(connection, delivery_id)


def _state(connection: Connection, delivery_id: int) -> DeliveryState:
    """Return the state of a delivery and lock it."""
    found = connection.execute(
        sa.select(delivery.c.state).where(delivery.c.id == delivery_id).with_for_update()
    ).scalar_one_or_none()
    if found is None:
        raise NotFound(
            f"There is no delivery {delivery_id}.", hint="`muster export deliveries` lists them."
        )
    return DeliveryState(found)
