"""What changes about segments from second to second, in one cheap query: for lists that stay live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPulse:
    """One segment without its definition; `rev` says whether that has changed."""

    name: str
    rev: int
    state: str
    next_due_at: datetime | None
    schedule_error: str | None
    version: int | None
    member_count: int | None
    published_at: datetime | None
    run_id: int | None
    run_state: str | None
    run_reason: str | None
    run_error: str | None
    run_warned: bool
    #: Tasks of the engine job its latest run is part of; None where it is not at work.
    tasks: int | None
    tasks_done: int | None


_PULSE = text("""
SELECT s.name, s.rev, s.state, s.next_due_at, s.schedule_error,
       s.published_version AS version, v.member_count, v.published_at,
       r.id AS run_id, r.state AS run_state, r.reason AS run_reason, r.error AS run_error,
       coalesce(r.warned, false) AS run_warned, b.tasks, b.tasks_done
  FROM segment s
  LEFT JOIN membership_version v ON v.segment_id = s.id AND v.version = s.published_version
  LEFT JOIN LATERAL (
        SELECT id, state, reason, error, batch_id,
               jsonb_path_exists(inputs, '$.segments[*].reason ? (@ != null)') AS warned
          FROM refresh_run q
         WHERE q.segment_id = s.id ORDER BY q.due_at DESC LIMIT 1) r ON true
  LEFT JOIN batch b ON b.id = r.batch_id AND r.state = 'running'
 WHERE s.deleted_at IS NULL
 ORDER BY s.name
""")


def segment_pulses(connection: Connection) -> list[SegmentPulse]:
    """Return every segment that is not deleted, by name."""
    return [SegmentPulse(**row) for row in connection.execute(_PULSE).mappings()]
