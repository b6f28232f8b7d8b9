"""Segments as people look at them: with the figures of their latest version and their latest run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.storage.table import membership_version, refresh_run, segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOverview:
    """One segment with what its latest published version and its latest run say."""

    name: str
    type: str
    state: str
    rev: int
    document: dict[str, Any]
    schedule: dict[str, Any]
    schedule_error: str | None
    next_due_at: datetime | None
    version: int | None
    member_count: int | None
    published_at: datetime | None
    as_of: datetime | None
    last_run_id: int | None
    last_run_state: str | None
    last_run_reason: str | None
    last_run_attempt: int | None


def segment_overviews(connection: Connection, name: str | None = None) -> list[SegmentOverview]:
    """Return every segment by name, or the one called `name` (an empty list where there is none)."""
    latest = (
        sa.select(refresh_run)
        .where(refresh_run.c.segment_id == segment.c.id)
        .order_by(refresh_run.c.id.desc())
        .limit(1)
        .lateral("latest")
    )
    query = (
        sa.select(
            segment.c.name,
            segment.c.type,
            segment.c.state,
            segment.c.rev,
            segment.c.document,
            segment.c.schedule,
            segment.c.schedule_error,
            segment.c.next_due_at,
            segment.c.published_version.label("version"),
            membership_version.c.member_count,
            membership_version.c.published_at,
            membership_version.c.as_of,
            latest.c.id.label("last_run_id"),
            latest.c.state.label("last_run_state"),
            latest.c.reason.label("last_run_reason"),
            latest.c.attempt.label("last_run_attempt"),
        )
        .outerjoin(
            membership_version,
            sa.and_(
                membership_version.c.segment_id == segment.c.id,
                membership_version.c.version == segment.c.published_version,
            ),
        )
        .outerjoin(latest, sa.true())
        .where(segment.c.deleted_at.is_(None))
        .order_by(segment.c.name)
    )
    if name is not None:
        query = query.where(segment.c.name == name)
    return [SegmentOverview(**row._mapping) for row in connection.execute(query)]


def published_node_counts(connection: Connection, name: str) -> dict[str, Any]:
    """Return the counts per rule and condition of the segment's latest published run; {} if none."""
    found = connection.execute(
        sa.select(refresh_run.c.node_counts)
        .join_from(membership_version, refresh_run, refresh_run.c.id == membership_version.c.run_id)
        .join(
            segment,
            sa.and_(
                segment.c.id == membership_version.c.segment_id,
                segment.c.published_version == membership_version.c.version,
            ),
        )
        .where(segment.c.name == name)
    ).scalar_one_or_none()
    return found or {}
