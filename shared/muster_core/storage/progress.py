"""How far runs and deliveries are, in few short queries: for whoever waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.storage.definition_table import segment
from muster_core.storage.export_table import delivery, export
from muster_core.storage.run_table import batch, refresh_run, system_refresh

#: States a run or a delivery never leaves by itself.
_WAITING = ("pending", "running", "evaluated")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """One run, and the tasks of the engine job it is part of."""

    run_id: int
    segment: str
    state: str
    reason: str | None
    error: str | None
    attempt: int
    members: int | None
    joined: int | None
    left: int | None
    started_at: datetime | None
    finished_at: datetime | None
    batch_id: int | None
    tasks: int | None
    tasks_done: int | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in _WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryProgress:
    """One delivery of a version that a run published."""

    delivery_id: int
    run_id: int
    export: str
    segment: str
    state: str
    error: str | None
    rows: int | None
    location: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in _WAITING


def run_progress(connection: Connection, run_ids: Sequence[int]) -> list[RunProgress]:
    """Return the runs of these ids, by segment name."""
    rows = connection.execute(
        sa.select(
            refresh_run.c.id.label("run_id"),
            segment.c.name.label("segment"),
            refresh_run.c.state,
            refresh_run.c.reason,
            refresh_run.c.error,
            refresh_run.c.attempt,
            refresh_run.c.member_count.label("members"),
            refresh_run.c.joined,
            refresh_run.c.left,
            refresh_run.c.started_at,
            refresh_run.c.finished_at,
            refresh_run.c.batch_id,
            batch.c.tasks,
            batch.c.tasks_done,
        )
        .join_from(refresh_run, segment, refresh_run.c.segment_id == segment.c.id)
        .outerjoin(batch, batch.c.id == refresh_run.c.batch_id)
        .where(refresh_run.c.id.in_(run_ids))
        .order_by(segment.c.name, refresh_run.c.id)
    )
    return [RunProgress(**row._mapping) for row in rows]


def delivery_progress(connection: Connection, run_ids: Sequence[int]) -> list[DeliveryProgress]:
    """Return the deliveries of the versions these runs published, by export and segment."""
    rows = connection.execute(
        sa.select(
            delivery.c.id.label("delivery_id"),
            refresh_run.c.id.label("run_id"),
            export.c.name.label("export"),
            segment.c.name.label("segment"),
            delivery.c.state,
            delivery.c.error,
            delivery.c.rows,
            delivery.c.location,
        )
        .join_from(
            delivery,
            refresh_run,
            sa.and_(
                refresh_run.c.segment_id == delivery.c.segment_id,
                refresh_run.c.version == delivery.c.version,
            ),
        )
        .join(export, export.c.id == delivery.c.export_id)
        .join(segment, segment.c.id == delivery.c.segment_id)
        .where(refresh_run.c.id.in_(run_ids))
        .order_by(export.c.name, segment.c.name)
    )
    return [DeliveryProgress(**row._mapping) for row in rows]


def latest_system_refresh_id(connection: Connection) -> int:
    """Return the id of the latest system refresh, 0 where there was none."""
    return connection.scalar(sa.select(sa.func.max(system_refresh.c.id))) or 0


def runs_of_system_refresh(connection: Connection, system_refresh_id: int) -> list[int]:
    """Return the ids of the runs one system refresh planned."""
    rows = connection.scalars(
        sa.select(refresh_run.c.id)
        .where(refresh_run.c.system_refresh_id == system_refresh_id)
        .order_by(refresh_run.c.id)
    )
    return list(rows)
