"""The outbox of alerts: written with what they tell of, kept until somebody was told.

Triggers write the alerts of failed and held runs and of failed deliveries into the transaction of the step
itself; the others are found by looking now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to tell; `facts` do not change once it was taken for the first time."""

    id: int
    kind: str
    facts: Mapping[str, Any]
    attempt: int
    created_at: datetime
    #: How long ago it was written.
    age: timedelta


# What is told is fixed at the first attempt: a repeat has the same bytes.
_TAKE = text("""
WITH chosen AS MATERIALIZED (
    SELECT id FROM alert WHERE state = 'waiting' AND available_at <= clock_timestamp()
     ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
), told AS MATERIALIZED (
    SELECT a.id, jsonb_strip_nulls(jsonb_build_object(
             'run', r.id, 'delivery', d.id, 'segment', s.name, 'export', e.name,
             'version', d.version, 'state', coalesce(d.state, r.state),
             'attempt', coalesce(d.attempt, r.attempt), 'members', r.member_count,
             'due_at', r.due_at, 'error', coalesce(d.error_class, r.error_class),
             'message', coalesce(d.error, r.error))) AS facts
      FROM chosen c
      JOIN alert a ON a.id = c.id
      LEFT JOIN refresh_run r ON r.id = a.run_id
      LEFT JOIN delivery d ON d.id = a.delivery_id
      LEFT JOIN export e ON e.id = d.export_id
      LEFT JOIN segment s ON s.id = coalesce(d.segment_id, r.segment_id)
)
UPDATE alert a
   SET attempt = a.attempt + 1, available_at = clock_timestamp() + :lease,
       facts = CASE WHEN a.attempt = 0 THEN told.facts || a.facts ELSE a.facts END
  FROM told WHERE a.id = told.id
RETURNING a.id, a.kind, a.facts, a.attempt, a.created_at, clock_timestamp() - a.created_at AS age
""")

_END = text("""
UPDATE alert SET state = :state, error = :error, ended_at = clock_timestamp()
 WHERE id = :id AND attempt = :attempt AND state = 'waiting'
""")

_PUT_OFF = text("""
UPDATE alert SET error = :error, available_at = clock_timestamp() + :wait
 WHERE id = :id AND attempt = :attempt AND state = 'waiting'
""")

# Runs that stand for an older one, or were replaced by a newer one, are not missed themselves.
_STALE = text("""
INSERT INTO alert (kind, key, facts)
SELECT 'stale', 'stale:' || s.id || ':' || coalesce(s.published_version, 0),
       jsonb_build_object('segment', s.name, 'missed', m.missed, 'first_missed', m.first,
                          'version', coalesce(s.published_version, 0))
  FROM segment s
 CROSS JOIN LATERAL (
       SELECT count(*) AS missed, min(r.due_at) AS first FROM refresh_run r
        WHERE r.segment_id = s.id AND r.due_at > coalesce(s.published_due_at, '-infinity')
          AND r.due_at < clock_timestamp() - CAST(:grace AS interval) AND r.trigger <> 'manual'
          AND NOT (r.state = 'skipped' AND r.reason IN ('overlap', 'misfire'))) m
 WHERE s.state = 'active' AND s.type <> 'static' AND s.deleted_at IS NULL AND m.missed >= 2
ON CONFLICT (key) DO NOTHING
""")

# Once a day and level, so that nobody who looks away forgets it.
_LIMIT = text("""
INSERT INTO alert (kind, key, facts)
SELECT 'limit', 'limit:active_segments:' || l.level || ':' ||
           CAST(clock_timestamp() AS date),
       jsonb_build_object('what', 'active_segments', 'level', l.level, 'number', c.number,
                          'limit', CAST(:limit AS int))
  FROM (SELECT count(*) AS number FROM segment WHERE state = 'active' AND deleted_at IS NULL) c
 CROSS JOIN LATERAL (SELECT CASE WHEN c.number > :limit THEN 'exceeded'
                                 WHEN c.number = :limit THEN 'reached'
                                 WHEN c.number * 100 >= :limit * :percent THEN 'approaching' END AS level) l
 WHERE l.level IS NOT NULL
ON CONFLICT (key) DO NOTHING
""")


def take_alerts(connection: Connection, *, lease: timedelta, limit: int = 20) -> list[Alert]:
    """Take alerts that wait; one that is not ended within `lease` is taken again."""
    rows = connection.execute(_TAKE, {"lease": lease, "limit": limit}).mappings()
    return sorted((Alert(**row) for row in rows), key=lambda alert: alert.id)


def end_alert(connection: Connection, alert: Alert, *, sent: bool, error: str | None) -> None:
    """Record that somebody was told, or that it was given up; a later attempt's word stands."""
    state = "sent" if sent else "dropped"
    given = {"id": alert.id, "attempt": alert.attempt, "state": state, "error": error}
    connection.execute(_END, given)


def put_off_alert(connection: Connection, alert: Alert, *, error: str, wait: timedelta) -> None:
    """Record a failed attempt; the alert is taken again after `wait`."""
    given = {"id": alert.id, "attempt": alert.attempt, "error": error, "wait": wait}
    connection.execute(_PUT_OFF, given)


def note_stale(connection: Connection, *, grace: timedelta = timedelta(minutes=10)) -> int:
    """Write an alert for every segment that missed two due instants since it was published last.

    An instant is missed once `grace` has passed without a publication. Told once per published version.
    """
    return connection.execute(_STALE, {"grace": grace}).rowcount


def note_limit(connection: Connection, *, active_segments: int, percent: int = 80) -> int:
    """Write an alert where the active segments approach (`percent` of it), reach or exceed their limit."""
    return connection.execute(_LIMIT, {"limit": active_segments, "percent": percent}).rowcount
