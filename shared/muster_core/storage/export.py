"""Exports in the control database: applied, listed, switched off, removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict, InvalidInput, NotFound, Problem
from muster_core.exports.document import ExportDocument, parse_export
from muster_core.exports.state import DeliveryState
from muster_core.spelling import name_hint
from muster_core.storage.connection import StoredConnection, get_connection
from muster_core.storage.database import database_time
from muster_core.storage.definition_table import segment
from muster_core.storage.delivery_event import NOW, withdraw_waiting
from muster_core.storage.erasure import give_up_rewrites
from muster_core.storage.export_check import column_problems, target_problems
from muster_core.storage.export_table import (
    delivery,
    delivery_chunk,
    delivery_event,
    export,
    export_segment,
)
from muster_core.storage.nearest import require_segments
from muster_core.storage.process_table import alert

Change = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExport:
    """An export as it stands in the database."""

    id: int
    document: ExportDocument
    active: bool
    #: None where it names its folder itself, or was detached.
    connection_id: int | None
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """Return the export's name."""
        return self.document.name


def apply_export(connection: Connection, document: ExportDocument) -> Change:
    """Create the export or bring it to what `document` says; versions already queued keep theirs.

    What waits for a segment no longer named, or for an export switched off, is cancelled.

    Raises:
        InvalidInput: a column is not in the profile, or the target cannot take files, or not these.
        NotFound: a segment or the connection does not exist.
    """
    segments = _segment_ids(connection, document.segments)
    if problems := find_problems(connection, document):
        # a file may hold many, and these problems have no line
        raise InvalidInput(
            [replace(p, message=f"export `{document.name}`: {p.message}") for p in problems]
        )
    target = _named_connection(connection, document)
    stored = connection.execute(
        sa.select(export.c.id, export.c.document, export.c.active, export.c.connection_id)
        .where(export.c.name == document.name)
        .with_for_update()
    ).one_or_none()
    wanted = document.to_json()
    values = {
        "document": wanted,
        "active": document.active,
        "connection_id": None if target is None else target.id,
        "next_due_at": document.next_due(database_time(connection)) if document.active else None,
    }
    if stored is None:
        export_id = connection.execute(
            export.insert().values(name=document.name, **values).returning(export.c.id)
        ).scalar_one()
        _link(connection, export_id, segments)
        return "created"
    kept = ("document", "active", "connection_id")
    if all(getattr(stored, name) == values[name] for name in kept):
        return "unchanged"
    connection.execute(
        export.update().where(export.c.id == stored.id).values(**values, updated_at=NOW)
    )
    connection.execute(export_segment.delete().where(export_segment.c.export_id == stored.id))
    _link(connection, stored.id, segments)
    keep = segments if document.active else ()
    withdraw_waiting(
        connection,
        delivery.c.export_id == stored.id,
        delivery.c.segment_id.not_in(keep),
        actor="export changed",
    )
    return "changed"


def find_problems(connection: Connection, document: ExportDocument) -> list[Problem]:
    """Return everything that keeps an export from being applied; nothing is changed.

    Raises:
        NotFound: a segment or the connection does not exist.
    """
    require_segments(connection, [*document.segments, *document.suppress])
    target = _named_connection(connection, document)
    return [*column_problems(connection, document), *target_problems(document, target)]


def list_exports(connection: Connection) -> list[StoredExport]:
    """Return every export by name."""
    rows = connection.execute(sa.select(export).order_by(export.c.name))
    return [_stored(row) for row in rows]


def get_export(connection: Connection, name: str) -> StoredExport:
    """Return the export called `name`.

    Raises:
        NotFound: there is none; the message names the nearest ones.
    """
    row = connection.execute(sa.select(export).where(export.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no export `{name}`.",
            hint=name_hint(
                name,
                connection.scalars(sa.select(export.c.name)),
                "`muster export list` shows all.",
            ),
        )
    return _stored(row)


def set_export_active(connection: Connection, name: str, *, active: bool) -> bool:
    """Switch the export on or off and return whether that changed anything.

    While off, publishing creates no deliveries for it; what already waits is cancelled.
    """
    stored = get_export(connection, name)
    if stored.active == active:
        return False
    document = stored.document.model_copy(update={"active": active})
    connection.execute(
        export.update()
        .where(export.c.id == stored.id)
        .values(
            active=active,
            document=document.to_json(),
            next_due_at=document.next_due(database_time(connection)) if active else None,
            updated_at=NOW,
        )
    )
    if not active:
        withdraw_waiting(connection, delivery.c.export_id == stored.id, actor="export changed")
    return True


def delete_export(connection: Connection, name: str) -> int:
    """Remove the export with its history of deliveries and return how many those were.

    Files already delivered stay where they are.

    Raises:
        NotFound: there is no such export.
        Conflict: one of its deliveries is running.
    """
    stored = get_export(connection, name)
    connection.execute(sa.select(export.c.id).where(export.c.id == stored.id).with_for_update())
    states = connection.scalars(
        sa.select(delivery.c.state).where(delivery.c.export_id == stored.id).with_for_update()
    ).all()
    if DeliveryState.RUNNING in states:
        raise Conflict(
            f"A delivery of the export `{name}` is running.",
            hint="Wait until it has ended, then delete again.",
        )
    ours = sa.select(delivery.c.id).where(delivery.c.export_id == stored.id).scalar_subquery()
    # what was told of its failures is about nothing any more
    for table in (delivery_chunk, delivery_event, alert):
        connection.execute(table.delete().where(table.c.delivery_id.in_(ours)))
    give_up_rewrites(connection, ours)
    connection.execute(delivery.delete().where(delivery.c.export_id == stored.id))
    connection.execute(export.delete().where(export.c.id == stored.id))
    return len(states)


def _stored(row: Any) -> StoredExport:
    return StoredExport(
        id=row.id,
        document=parse_export(row.document),
        active=row.active,
        connection_id=row.connection_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _named_connection(connection: Connection, document: ExportDocument) -> StoredConnection | None:
    name = document.connection
    return get_connection(connection, name) if isinstance(name, str) else None


def _link(connection: Connection, export_id: int, segments: Sequence[int]) -> None:
    connection.execute(
        export_segment.insert(), [{"export_id": export_id, "segment_id": s} for s in segments]
    )


def _segment_ids(connection: Connection, names: Sequence[str]) -> list[int]:
    require_segments(connection, names)
    return list(
        connection.scalars(
            sa.select(segment.c.id)
            .where(segment.c.name.in_(names), segment.c.deleted_at.is_(None))
            .order_by(segment.c.id)
        )
    )
