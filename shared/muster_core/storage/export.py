"""Exports in the control database: applied, listed, switched off, removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Conflict, InvalidInput, NotFound, Problem
from muster_core.exports.document import ExportDocument, layout, parse_export
from muster_core.exports.state import DeliveryState, Event, sources
from muster_core.exports.target import folder_fault
from muster_core.spelling import nearest_names
from muster_core.storage.catalog import current_catalog
from muster_core.storage.delivery_event import NOW, apply_event, create_delivery
from muster_core.storage.nearest import require_segments
from muster_core.storage.table import (
    delivery,
    delivery_chunk,
    delivery_event,
    export,
    export_segment,
    membership_pointer,
    segment,
)

Change = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExport:
    """An export as it stands in the database."""

    id: int
    document: ExportDocument
    active: bool
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """Return the export's name."""
        return self.document.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedDelivery:
    """What asking for one segment's published version came to."""

    segment: str
    #: None where the segment has never been published, so there is nothing to deliver.
    version: int | None
    state: DeliveryState | None
    #: Delivered before under an older document of the export, which a repeat keeps.
    outdated: bool


def apply_export(connection: Connection, document: ExportDocument) -> Change:
    """Create the export or bring it to what `document` says; versions already queued keep theirs.

    What waits for a segment no longer named, or for an export switched off, is cancelled.

    Raises:
        InvalidInput: a column is not in the profile, or the target folder cannot take files.
        NotFound: a segment does not exist.
    """
    segments = _segment_ids(connection, document.segments)
    problems = [*_column_problems(connection, document), *_target_problems(document)]
    if problems:
        raise InvalidInput(problems, f"The export `{document.name}` has {len(problems)} problem(s)")
    stored = connection.execute(
        sa.select(export.c.id, export.c.document, export.c.active)
        .where(export.c.name == document.name)
        .with_for_update()
    ).one_or_none()
    wanted = document.to_json()
    if stored is None:
        export_id = connection.execute(
            export.insert()
            .values(name=document.name, document=wanted, active=document.active)
            .returning(export.c.id)
        ).scalar_one()
        _link(connection, export_id, segments)
        return "created"
    if stored.document == wanted and stored.active == document.active:
        return "unchanged"
    connection.execute(
        export.update()
        .where(export.c.id == stored.id)
        .values(document=wanted, active=document.active, updated_at=NOW)
    )
    connection.execute(export_segment.delete().where(export_segment.c.export_id == stored.id))
    _link(connection, stored.id, segments)
    _cancel_waiting(connection, stored.id, keep=segments if document.active else ())
    return "changed"


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
            hint=_nearest(name, connection.scalars(sa.select(export.c.name)).all()),
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
        .values(active=active, document=document.to_json(), updated_at=NOW)
    )
    if not active:
        _cancel_waiting(connection, stored.id, keep=())
    return True


def request_delivery(connection: Connection, name: str, *, actor: str) -> list[RequestedDelivery]:
    """Ask for the published version of every segment of the export, even where it is switched off.

    Repeating is safe: a version stands in the queue at most once, and what was delivered before is
    delivered again with the same names and bytes. A version never delivered takes the present document.

    Raises:
        NotFound: there is no such export.
    """
    stored = get_export(connection, name)
    rows = connection.execute(
        sa.select(
            segment.c.id,
            segment.c.name,
            # null too where the members are no longer kept: of a segment that came back long after its end
            membership_pointer.c.version.label("published_version"),
            delivery.c.id.label("known"),
        )
        .join_from(export_segment, segment, export_segment.c.segment_id == segment.c.id)
        .outerjoin(
            membership_pointer,
            sa.and_(
                membership_pointer.c.segment_id == segment.c.id,
                membership_pointer.c.version == segment.c.published_version,
            ),
        )
        .outerjoin(
            delivery,
            sa.and_(
                delivery.c.export_id == stored.id,
                delivery.c.segment_id == segment.c.id,
                delivery.c.version == segment.c.published_version,
            ),
        )
        .where(export_segment.c.export_id == stored.id, segment.c.deleted_at.is_(None))
        .order_by(segment.c.name)
    ).all()
    return [_request(connection, stored, row, actor) for row in rows]


def delete_export(connection: Connection, name: str) -> int:
    """Remove the export with its history of deliveries and return how many those were.

    Files already delivered stay where they are.

    Raises:
        NotFound: there is no such export.
        Conflict: one of its deliveries is running.
    """
    stored = get_export(connection, name)
    connection.execute(sa.select(export.c.id).where(export.c.id == stored.id).with_for_update())
    states = connection.execute(
        sa.select(delivery.c.id, delivery.c.state)
        .where(delivery.c.export_id == stored.id)
        .with_for_update()
    ).all()
    if any(row.state == DeliveryState.RUNNING for row in states):
        raise Conflict(
            f"A delivery of the export `{name}` is running.",
            hint="Wait until it has ended, then delete again.",
        )
    ours = sa.select(delivery.c.id).where(delivery.c.export_id == stored.id).scalar_subquery()
    for table in (delivery_chunk, delivery_event):
        connection.execute(table.delete().where(table.c.delivery_id.in_(ours)))
    connection.execute(delivery.delete().where(delivery.c.export_id == stored.id))
    connection.execute(export.delete().where(export.c.id == stored.id))
    return len(states)


def _request(
    connection: Connection, stored: StoredExport, row: Any, actor: str
) -> RequestedDelivery:
    if row.published_version is None:
        return RequestedDelivery(segment=row.name, version=None, state=None, outdated=False)
    wanted = stored.document.to_json()
    if row.known is None:
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
        values["document"] = wanted
        connection.execute(
            delivery_chunk.delete().where(delivery_chunk.c.delivery_id == delivery_id)
        )
        same = True
    apply_event(connection, delivery_id, Event.REQUESTED, actor=actor, values=values)
    return not same


def _stored(row: Any) -> StoredExport:
    return StoredExport(
        id=row.id,
        document=parse_export(row.document),
        active=row.active,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _cancel_waiting(connection: Connection, export_id: int, *, keep: Sequence[int]) -> None:
    """Cancel what waits to be delivered, except for the segments in `keep`."""
    waiting = connection.scalars(
        sa.select(delivery.c.id)
        .where(
            delivery.c.export_id == export_id,
            delivery.c.segment_id.not_in(keep),
            delivery.c.state.in_(sources(Event.CANCELLED) - {DeliveryState.RUNNING}),
        )
        .with_for_update()
    ).all()
    for delivery_id in waiting:
        apply_event(
            connection,
            delivery_id,
            Event.CANCELLED,
            actor="export changed",
            values={"finished_at": NOW},
        )


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


def _column_problems(connection: Connection, document: ExportDocument) -> list[Problem]:
    current = current_catalog(connection)
    if current is None:
        return [Problem(message="no catalog is applied yet", hint="Apply the catalog first.")]
    profile = current[1].profile
    extra = _extra_columns(connection, document.segments)
    known = set(profile.columns).union(*extra.values())
    problems = [
        Problem(
            message=_missing(column.column, profile.name, extra),
            pointer=f"/columns/{number}",
            hint=_nearest(column.column, known - {column.column}) or None,
        )
        for number, column in enumerate(document.columns)
        if column.column not in profile.columns
        and not all(column.column in columns for columns in extra.values())
    ]
    headers = [name for name, _ in layout(document, current[1].key)]
    if len(set(headers)) != len(headers):
        problems.append(
            Problem(
                message=f"a column is named like the customer key `{current[1].key}`",
                pointer="/columns",
                hint="Give it another name with `as`.",
            )
        )
    return problems


def _missing(column: str, profile: str, extra: Mapping[str, set[str]]) -> str:
    """Return why a column cannot be delivered for every segment."""
    lacking = sorted(name for name, columns in extra.items() if column not in columns)
    if len(lacking) == len(extra):
        return f"the profile `{profile}` has no column `{column}`"
    return f"not every segment puts out `{column}`: {', '.join(lacking)} does not"


def _extra_columns(connection: Connection, names: Sequence[str]) -> dict[str, set[str]]:
    """Return the names of the extra columns that each segment puts out."""
    documents = connection.scalars(
        sa.select(segment.c.document).where(
            segment.c.name.in_(names), segment.c.deleted_at.is_(None)
        )
    )
    return {
        document["name"]: {c.get("as") or c["column"] for c in document.get("project", [])}
        for document in documents
    }


def _target_problems(document: ExportDocument) -> list[Problem]:
    fault = folder_fault(document.connection.path)
    return [Problem(message=fault, pointer="/connection/path")] if fault else []


def _nearest(name: str, known: Iterable[str]) -> str:
    near = nearest_names(name, sorted(known))
    return f"Did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
