"""Which delivery is next: the oldest one whose destination takes one more."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.exports.state import DeliveryState
from muster_core.storage.connection import BREAKER_FAILURES
from muster_core.storage.delivery_event import NOW
from muster_core.storage.export_table import connection as target
from muster_core.storage.export_table import delivery, export

#: The most deliveries at once of an export that names its folder itself: a folder on a server that hangs must not
#: keep every thread of an exporter. Two exporters that claim in the same moment may begin one more.
IN_PLACE_MOST = 4

_RUNNING = delivery.alias("running")
_RUNNING_EXPORT = export.alias("running_export")


def next_delivery(connection: Connection) -> int | None:
    """Return the oldest deliverable delivery, its row locked, and its connection's too; else None.

    Rows that another transaction holds are skipped and never waited for: whoever claims for a connection
    at this moment may fill it, so nothing else is taken for it until that is known.
    """
    passed: set[int] = set()
    while True:
        row = connection.execute(_candidate(passed)).one_or_none()
        if row is None:
            return None
        if row.connection_id is None or _takes_one_more(connection, row.connection_id):
            return int(row.id)
        passed.add(row.connection_id)


def _candidate(passed: set[int]) -> sa.Select[Any]:
    return (
        sa.select(delivery.c.id, export.c.connection_id)
        .join_from(delivery, export, delivery.c.export_id == export.c.id)
        .outerjoin(target, target.c.id == export.c.connection_id)
        .where(
            delivery.c.state == DeliveryState.PENDING,
            delivery.c.available_at <= NOW,
            delivery.c.attempt < delivery.c.max_attempts,
            sa.or_(
                sa.and_(export.c.connection_id.is_(None), _running_in_place() < IN_PLACE_MOST),
                sa.and_(
                    _is_open(), export.c.connection_id.not_in(passed), _running_count() < _most()
                ),
            ),
            ~sa.exists()
            .where(
                _RUNNING.c.state == DeliveryState.RUNNING,
                _RUNNING.c.export_id == delivery.c.export_id,
                _RUNNING.c.segment_id == delivery.c.segment_id,
            )
            .correlate(delivery),
        )
        .order_by(delivery.c.id)
        .limit(1)
        .with_for_update(of=delivery, skip_locked=True)
    )


def _takes_one_more(connection: Connection, connection_id: int) -> bool:
    """Lock a connection, unless somebody holds it, and look again whether it takes one more."""
    held = connection.execute(
        sa.select(target.c.id)
        .where(target.c.id == connection_id)
        .with_for_update(skip_locked=True, key_share=True)
    ).one_or_none()
    if held is None:
        return False
    return bool(
        connection.execute(
            sa.select(sa.and_(_is_open(), _running_count() < _most())).where(
                target.c.id == connection_id
            )
        ).scalar_one()
    )


def _is_open() -> sa.ColumnElement[bool]:
    return sa.and_(
        ~target.c.paused,
        target.c.disabled.is_(None),
        sa.or_(target.c.closed_until.is_(None), target.c.closed_until <= NOW),
    )


def _running_count() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(_RUNNING.join(_RUNNING_EXPORT, _RUNNING.c.export_id == _RUNNING_EXPORT.c.id))
        .where(
            _RUNNING.c.state == DeliveryState.RUNNING,
            _RUNNING_EXPORT.c.connection_id == target.c.id,
        )
        .correlate(target)
        .scalar_subquery()
    )


def _running_in_place() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .where(
            _RUNNING.c.state == DeliveryState.RUNNING,
            _RUNNING.c.export_id == delivery.c.export_id,
        )
        .correlate(delivery)
        .scalar_subquery()
    )


def _most() -> sa.ColumnElement[int]:
    """Return how many it takes at once: one, after it was left alone, until that one has arrived."""
    said = sa.cast(target.c.document["concurrency"].astext, sa.Integer)
    return sa.case((target.c.failures >= BREAKER_FAILURES, 1), else_=said)
