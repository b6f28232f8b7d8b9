"""What asks for deliveries: people, and exports with times of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict
from muster_core.exports.document import Policy
from muster_core.exports.state import DeliveryState, Event, sources
from muster_core.storage.database import database_time
from muster_core.storage.definition_table import segment
from muster_core.storage.delivery_event import NOW, apply_event, create_delivery, withdraw_waiting
from muster_core.storage.destination import tell_anew
from muster_core.storage.export import StoredExport, get_export
from muster_core.storage.export_table import delivery, delivery_chunk, export, export_segment
from muster_core.storage.run_table import membership_pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedDelivery:
    """What asking for one segment's published version came to."""

    segment: str
    #: None where the segment has never been published, or its members are no longer kept.
    version: int | None
    state: DeliveryState | None
    #: Delivered before under an older document of the export, which a repeat keeps.
    outdated: bool


def queue_due_exports(connection: Connection) -> int:
    """Queue what exports with times of their own deliver now, and return how many of them were due.

    Versions that were queued before are not queued again. A time that was missed is made up for once.
    """
    due = connection.execute(
        sa.select(export)
        .where(export.c.active, export.c.next_due_at <= NOW)
        .order_by(export.c.id)
        .with_for_update(skip_locked=True)
    ).all()
    for row in due:
        stored = get_export(connection, row.name)
        connection.execute(
            export.update()
            .where(export.c.id == row.id)
            .values(next_due_at=stored.document.next_due(database_time(connection)))
        )
        if row.connection_id is not None or stored.document.folder is not None:
            request_delivery(connection, row.name, actor="schedule", again=False)
    return len(due)


def request_delivery(
    connection: Connection, name: str, *, actor: str, again: bool = True
) -> list[RequestedDelivery]:
    """Ask for the published version of every segment of the export, even where it is switched off.

    `again` says whether a version that was queued before is delivered once more.

    Repeating is safe: a version stands in the queue at most once, and what was delivered before is
    delivered again with the same names and bytes. A version never delivered takes the present document.

    Raises:
        NotFound: there is no such export.
        Conflict: its connection was detached.
    """
    stored = get_export(connection, name)
    if stored.connection_id is None and stored.document.folder is None:
        raise Conflict(
            f"The connection `{stored.document.target}` was taken away from the export `{name}`.",
            hint="Apply the export again, with a connection.",
        )
    rows = connection.execute(
        sa.select(
            segment.c.id,
            segment.c.name,
            membership_pointer.c.version.label("published_version"),
            delivery.c.id.label("known"),
        )
        .join_from(export_segment, segment, export_segment.c.segment_id == segment.c.id)
        .outerjoin(
            membership_pointer,
            (membership_pointer.c.segment_id == segment.c.id)
            & (membership_pointer.c.version == segment.c.published_version),
        )
        .outerjoin(
            delivery,
            (delivery.c.export_id == stored.id)
            & (delivery.c.segment_id == segment.c.id)
            & (delivery.c.version == segment.c.published_version),
        )
        .where(export_segment.c.export_id == stored.id, segment.c.deleted_at.is_(None))
        .order_by(segment.c.name)
    ).all()
    wanted = rows if again else [row for row in rows if row.known is None]
    return [_request(connection, stored, row, actor) for row in wanted]


def _request(
    connection: Connection, stored: StoredExport, row: Any, actor: str
) -> RequestedDelivery:
    if row.published_version is None:
        return RequestedDelivery(segment=row.name, version=None, state=None, outdated=False)
    wanted = stored.document.to_json()
    if row.known is None:
        _supersede(connection, stored, row)
        create_delivery(
            connection,
            export_id=stored.id,
            segment_id=row.id,
            version=row.published_version,
            document=wanted,
            actor=actor,
            reason=Event.REQUESTED,
        )
        outdated = False
    else:
        outdated = _ask_again(connection, row.known, wanted, actor)
    state = connection.execute(
        sa.select(delivery.c.state).where(
            delivery.c.export_id == stored.id,
            delivery.c.segment_id == row.id,
            delivery.c.version == row.published_version,
        )
    ).scalar_one()
    return RequestedDelivery(
        segment=row.name,
        version=row.published_version,
        state=DeliveryState(state),
        outdated=outdated,
    )


def _supersede(connection: Connection, stored: StoredExport, row: Any) -> None:
    """Let an older version that waits be, where the destination gets the newest one only."""
    if stored.document.policy is Policy.LATEST:
        withdraw_waiting(
            connection,
            delivery.c.export_id == stored.id,
            delivery.c.segment_id == row.id,
            delivery.c.version < row.published_version,
            event=Event.SUPERSEDED,
            actor="newer requested",
        )


def _ask_again(
    connection: Connection, delivery_id: int, wanted: dict[str, Any], actor: str
) -> bool:
    """Put an ended delivery back into the queue and return whether it keeps an older document."""
    before = connection.execute(
        sa.select(delivery.c.state, delivery.c.document, delivery.c.rows)
        .where(delivery.c.id == delivery_id)
        .with_for_update()
    ).one()
    # `active` does not touch what is written.
    same = {**before.document, "active": None} == {**wanted, "active": None}
    values: dict[str, Any] = {
        "attempt": 0,
        "available_at": NOW,
        "finished_at": None,
        "error_class": None,
        "error": None,
    }
    # `rows` is set once everything has arrived: from then on the bytes are promised.
    if not same and before.rows is None and before.state in sources(Event.REQUESTED):
        values |= {"document": wanted, "basis": None, "suppressed": None}
        connection.execute(
            delivery_chunk.delete().where(delivery_chunk.c.delivery_id == delivery_id)
        )
        same = True
    tell_anew(connection, delivery_id)
    apply_event(connection, delivery_id, Event.REQUESTED, actor=actor, values=values)
    return not same
