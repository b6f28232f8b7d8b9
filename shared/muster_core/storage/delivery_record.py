"""Deliveries as people look at them: how far each is, where it went, and what was not fresh in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.exports.state import DeliveryState
from muster_core.runs.input import UsedSegment, stale_segments
from muster_core.storage.definition_table import segment
from muster_core.storage.export_table import connection as target
from muster_core.storage.export_table import delivery, export
from muster_core.storage.ordering import Sorting, sort_rows
from muster_core.storage.run_table import membership_version, refresh_run
from muster_core.storage.schema import NOW

_AS_STORED = (
    *("id", "version", "reason", "attempt", "max_attempts", "rows", "bytes", "location"),
    *("error_class", "error", "waits_for", "created_at", "started_at", "finished_at"),
)
#: The version that a delivery brings.
VERSION = sa.and_(
    membership_version.c.segment_id == delivery.c.segment_id,
    membership_version.c.version == delivery.c.version,
)
_WAITS_FOR = sa.case(
    (delivery.c.state.not_in([DeliveryState.PENDING, DeliveryState.HELD]), None),
    (target.c.paused, "its connection is paused"),
    (
        target.c.disabled.is_not(None),
        sa.literal("its connection is disabled: ") + target.c.disabled,
    ),
    (target.c.closed_until > NOW, "its destination, which failed several times, is left alone"),
    else_=None,
)
_NEWEST = Sorting(column="id", down=True)
#: Fields of a delivery that its query calls otherwise.
_COLUMNS = {"export": "export_name", "segment": "segment_name", "exporter": "lease_owner"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """A delivery as people look at it."""

    id: int
    export: str
    segment: str
    version: int
    state: DeliveryState
    reason: str | None
    attempt: int
    max_attempts: int
    rows: int | None
    bytes: int | None
    location: str | None
    error_class: str | None
    error: str | None
    #: Why it is not taken though it waits; None where nothing is in its way.
    waits_for: str | None
    exporter: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: What the version was computed from though it was not fresh.
    stale: tuple[UsedSegment, ...]


def list_deliveries(
    connection: Connection,
    *,
    export_name: str | None = None,
    segment_name: str | None = None,
    state: DeliveryState | None = None,
    before: int | None = None,
    limit: int = 50,
    sorting: Sorting = _NEWEST,
) -> list[StoredDelivery]:
    """Return deliveries, by default the newest first: of one export, one segment or in one state only, or all.

    With `before` only those older than that one.
    """
    query = (
        sa.select(
            delivery,
            export.c.name.label("export_name"),
            segment.c.name.label("segment_name"),
            refresh_run.c.inputs,
            _WAITS_FOR.label("waits_for"),
        )
        .join_from(delivery, export, delivery.c.export_id == export.c.id)
        .join(segment, delivery.c.segment_id == segment.c.id)
        .join(membership_version, VERSION)
        .join(refresh_run, refresh_run.c.id == membership_version.c.run_id)
        .outerjoin(target, target.c.id == export.c.connection_id)
        .limit(limit)
    )
    column = query.selected_columns[_COLUMNS.get(sorting.column, sorting.column)]
    query = sort_rows(query, sorting, column, delivery.c.id)
    if export_name is not None:
        query = query.where(export.c.name == export_name)
    if segment_name is not None:
        query = query.where(segment.c.name == segment_name)
    if state is not None:
        query = query.where(delivery.c.state == state)
    if before is not None:
        query = query.where(delivery.c.id < before)
    return [
        StoredDelivery(
            export=row.export_name,
            segment=row.segment_name,
            state=DeliveryState(row.state),
            exporter=row.lease_owner,
            stale=stale_segments(row.inputs),
            **{name: row._mapping[name] for name in _AS_STORED},
        )
        for row in connection.execute(query)
    ]
