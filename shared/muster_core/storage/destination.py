"""Which place a delivery leads to now: what arrived at another one is not there, and is told anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import InvalidInput
from muster_core.exports.capability import CAPABILITIES
from muster_core.exports.connection import folder_of, parse_target, place_of_target
from muster_core.exports.document import FolderConnection
from muster_core.exports.state import DeliveryState
from muster_core.storage.export_table import connection as table
from muster_core.storage.export_table import delivery, delivery_chunk, export


def pin_destination(connection: Connection, delivery_id: int) -> None:
    """Note which place a delivery leads to; where it led elsewhere before, it begins anew.

    Its messages get new ids then, since what they tell may differ from what was told under the old ones.
    """
    row = connection.execute(sa.select(delivery).where(delivery.c.id == delivery_id)).one()
    found = place_now(connection, row.document)
    if found is None or found == row.destination:
        return
    values: dict[str, Any] = {"destination": found}
    if row.destination is not None:
        values |= {"basis": None, "edition": delivery.c.edition + 1}
        connection.execute(
            delivery_chunk.delete().where(delivery_chunk.c.delivery_id == delivery_id)
        )
    connection.execute(delivery.update().where(delivery.c.id == delivery_id).values(**values))


def leads_to() -> sa.ColumnElement[int | None]:
    """Return the id of the connection that a delivery leads to: the one its own document names.

    The export may name another one by now. None where it names a folder, or where the connection was taken away
    from the export or removed.
    """
    named = (
        sa.select(table.c.id)
        .where(table.c.name == delivery.c.document["connection"].astext)
        .correlate(delivery)
        .scalar_subquery()
    )
    detached = sa.and_(
        export.c.connection_id.is_(None),
        sa.func.jsonb_typeof(export.c.document["connection"]) == "string",
    )
    return sa.case((detached, None), else_=named)


def place_now(connection: Connection, document: Mapping[str, Any]) -> str | None:
    """Return the place that a stored export leads to; None where whoever delivers will say what is wrong with it."""
    named = document.get("connection")
    try:
        if not isinstance(named, str):
            return place_of_target(folder_of(FolderConnection.model_validate(named)))
        stored = connection.scalar(sa.select(table.c.document).where(table.c.name == named))
        return None if stored is None else place_of_target(parse_target(stored))
    except (InvalidInput, ValueError):
        return None


def tell_anew(connection: Connection, delivery_id: int) -> None:
    """Let a version that arrived be told once more: messages that were acknowledged are not left out then.

    Files are kept where they stand with the right bytes, so what is known of them stays.
    """
    kind = connection.scalar(
        sa.select(table.c.kind)
        .join_from(delivery, table, table.c.name == delivery.c.document["connection"].astext)
        .where(delivery.c.id == delivery_id, delivery.c.state == DeliveryState.DELIVERED)
    )
    if kind is not None and not CAPABILITIES[kind].files:
        connection.execute(
            delivery_chunk.delete().where(delivery_chunk.c.delivery_id == delivery_id)
        )
