"""Deliveries over named connections: the world's own exporter, allowed to reach servers of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from tests.integration.exporter.world import World

from muster_core.exports.connection import parse_secret, parse_target
from muster_core.settings import Settings
from muster_core.storage.connection import StoredConnection, get_connection, save_connection
from muster_core.storage.database import transaction
from muster_core.storage.delivery_record import StoredDelivery, list_deliveries
from muster_core.storage.export_table import delivery
from muster_exporter.exporter import Exporter


def settings(world: World, **changes: Any) -> Settings:
    """Return the world's settings, with servers of this machine allowed."""
    return world.settings.model_copy(update={"outbound_allow": "127.0.0.1", **changes})


def connect(world: World, document: Mapping[str, Any], secret: Mapping[str, str]) -> None:
    """Save a connection with its credentials."""
    target = parse_target(document)
    with transaction(world.database) as connection:
        save_connection(
            connection, target, parse_secret(target.kind, dict(secret)), settings(world).keys()
        )


def connection_of(world: World, name: str = "there") -> StoredConnection:
    """Return a stored connection."""
    with transaction(world.database) as connection:
        return get_connection(connection, name)


def exporter(world: World, name: str = "one", **changes: Any) -> Exporter:
    """Return an exporter in this process."""
    return Exporter(world.database, settings(world, **changes), name=name)


def drain(world: World, *, tries: int = 50) -> None:
    """Deliver until nothing waits, however long a back-off is."""
    worker = exporter(world)
    for _ in range(tries):
        while worker.work():
            pass
        with transaction(world.database) as connection:
            waiting = connection.execute(
                delivery.update()
                .where(delivery.c.state == "pending")
                .values(available_at=sa.func.clock_timestamp())
                .returning(delivery.c.id)
            ).all()
        if not waiting:
            return
    raise AssertionError("a delivery still waits")


def deliveries(world: World) -> list[StoredDelivery]:
    """Return every delivery, the newest first."""
    with transaction(world.database) as connection:
        return list_deliveries(connection, limit=1000)
