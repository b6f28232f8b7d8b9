"""Records of system refreshes: how far one is, what its stages came to, cancelling, and closing what has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from muster_core.errors import Conflict, NotFound
from muster_core.schedules.stage import (
    RefreshState,
    SkipReason,
    Stage,
    StageRecord,
    Tally,
    refresh_state,
    stage_records,
)

#: Refreshes closed by one sweep.
_CLOSED_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """One part of a stage that was left out, and why."""

    stage: Stage
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRecord:
    """One system refresh."""

    id: int
    due_at: datetime
    trigger: str
    actor: str | None
    state: RefreshState
    reason: str | None
    as_of: datetime | None
    snapshot_id: int | None
    created_at: datetime
    finished_at: datetime | None
    #: As `StageRecord.to_json` with ``change_seconds`` against the previous refresh; empty for skipped ones.
    stages: Sequence[Mapping[str, Any]]
    change_seconds: float | None = None

    @property
    def seconds(self) -> float | None:
        """Return how long it took; None while it runs and where it was skipped."""
        if self.finished_at is None or not self.stages:
            return None
        return round((self.finished_at - self.created_at).total_seconds(), 3)


_COLUMNS = """
SELECT id, due_at, trigger, actor, state, reason, as_of, snapshot_id, pinned_at, created_at,
       finished_at, stages
  FROM system_refresh
"""

_LATEST = text(f"{_COLUMNS} ORDER BY id DESC LIMIT :limit")
_ONE = text(f"{_COLUMNS} WHERE id = :id")
_BEFORE = text(f"""{_COLUMNS}
 WHERE id < :id AND state IN ('succeeded', 'partial', 'failed') ORDER BY id DESC LIMIT 1
""")
_RUNNING = text(f"""{_COLUMNS}
 WHERE state = 'running' ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_RUNS = text("""
SELECT count(*) FILTER (WHERE state IN ('pending', 'running', 'evaluated')) AS waiting,
       count(*) FILTER (WHERE state IN ('published', 'superseded')) AS succeeded,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state IN ('skipped', 'held')) AS skipped,
       count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
       (SELECT min(e.at) FROM run_event e JOIN refresh_run q ON q.id = e.run_id
         WHERE q.system_refresh_id = :id AND e.to_state = 'running') AS started_at,
       max(finished_at) AS finished_at
  FROM refresh_run WHERE system_refresh_id = :id
""")

# Measures are computed in the scan of the segments that use them, so one has ended with those.
_MEASURES = text("""
WITH used AS (
    SELECT m.entry->>'measure' AS measure,
           bool_or(r.state IN ('pending', 'running', 'evaluated')) AS waiting,
           bool_or(r.state IN ('published', 'superseded', 'held')) AS succeeded,
           max(r.finished_at) AS finished_at
      FROM refresh_run r, jsonb_array_elements(r.inputs->'measures') AS m(entry)
     WHERE r.system_refresh_id = :id GROUP BY 1
)
SELECT count(*) FILTER (WHERE waiting) AS waiting,
       count(*) FILTER (WHERE succeeded AND NOT waiting) AS succeeded,
       count(*) FILTER (WHERE NOT succeeded AND NOT waiting) AS failed,
       CASE WHEN count(*) > 0 THEN CAST(:pinned_at AS timestamptz) END AS started_at,
       max(finished_at) AS finished_at
  FROM used
""")

_DELIVERIES = text("""
SELECT count(*) FILTER (WHERE d.state IN ('pending', 'running')) AS waiting,
       count(*) FILTER (WHERE d.state IN ('delivered', 'superseded')) AS succeeded,
       count(*) FILTER (WHERE d.state = 'failed') AS failed,
       count(*) FILTER (WHERE d.state NOT IN
             ('pending', 'running', 'delivered', 'superseded', 'failed')) AS cancelled,
       min(d.created_at) AS started_at, max(d.finished_at) AS finished_at
  FROM delivery d
  JOIN refresh_run r ON r.segment_id = d.segment_id AND r.version = d.version
 WHERE r.system_refresh_id = :id
""")

_SKIPS = text("""
SELECT 'segments' AS stage, s.name, coalesce(r.reason, r.state) AS reason
  FROM refresh_run r JOIN segment s ON s.id = r.segment_id
 WHERE r.system_refresh_id = :id AND r.state IN ('skipped', 'held')
UNION ALL
SELECT 'exports', e.name || ': ' || s.name,
       CASE r.state WHEN 'failed' THEN 'upstream_failed' WHEN 'skipped' THEN 'upstream_skipped'
                    WHEN 'held' THEN 'upstream_held' ELSE 'upstream_cancelled' END
  FROM refresh_run r
  JOIN segment s ON s.id = r.segment_id
  JOIN export_segment es ON es.segment_id = s.id
  JOIN export e ON e.id = es.export_id AND e.active
 WHERE r.system_refresh_id = :id AND r.state IN ('failed', 'skipped', 'held', 'cancelled')
 ORDER BY 1 DESC, 2
""")

_CLOSE = text("""
UPDATE system_refresh
   SET state = CASE WHEN reason = 'requested' AND :state <> 'succeeded' THEN 'cancelled'
                    ELSE :state END,
       stages = :stages, finished_at = clock_timestamp()
 WHERE id = :id AND state = 'running'
""").bindparams(sa.bindparam("stages", type_=JSONB))

_ASK_TO_STOP = text("""
UPDATE system_refresh SET reason = 'requested' WHERE id = :id AND state = 'running' RETURNING id
""")

_CANCEL_RUNS = text("""
WITH chosen AS MATERIALIZED (
    SELECT id, state FROM refresh_run
     WHERE system_refresh_id = :id AND state IN ('pending', 'running', 'evaluated')
     ORDER BY id FOR UPDATE
), cancelled AS (
    UPDATE refresh_run r
       SET cancel_requested = true,
           state = CASE WHEN c.state = 'pending' THEN 'cancelled' ELSE r.state END,
           reason = CASE WHEN c.state = 'pending' THEN 'requested' ELSE r.reason END,
           finished_at = CASE WHEN c.state = 'pending' THEN clock_timestamp() END
      FROM chosen c WHERE r.id = c.id
 RETURNING r.id, c.state AS was, r.state
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, actor, reason)
    SELECT id, was, state, :actor, 'requested' FROM cancelled WHERE was <> state ORDER BY id
)
SELECT count(*) FROM cancelled
""")


def list_refreshes(connection: Connection, *, limit: int = 20) -> list[RefreshRecord]:
    """Return the latest system refreshes, newest first, each compared with the one before it."""
    rows = connection.execute(_LATEST, {"limit": limit}).all()
    return [_record(connection, row) for row in rows]


def get_refresh(connection: Connection, refresh_id: int) -> RefreshRecord:
    """Return one system refresh.

    Raises:
        NotFound: there is none of this number.
    """
    row = connection.execute(_ONE, {"id": refresh_id}).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no system refresh {refresh_id}.",
            hint="`muster system list` shows the latest.",
        )
    return _record(connection, row)


def refresh_skips(connection: Connection, refresh_id: int) -> list[Skip]:
    """Return every segment and export of a system refresh that was left out, with its reason code."""
    rows = connection.execute(_SKIPS, {"id": refresh_id})
    return [Skip(stage=Stage(row.stage), name=row.name, reason=row.reason) for row in rows]


def cancel_refresh(connection: Connection, refresh_id: int, *, actor: str) -> int:
    """Cancel what has not been published of a system refresh; return how many runs that were.

    Versions it published stay, and are delivered.

    Raises:
        NotFound: there is none of this number.
        Conflict: it has ended.
    """
    if connection.scalar(_ASK_TO_STOP, {"id": refresh_id}) is None:
        found = get_refresh(connection, refresh_id)
        raise Conflict(f"System refresh {refresh_id} has ended: it is {found.state}.")
    runs: int = connection.execute(_CANCEL_RUNS, {"id": refresh_id, "actor": actor}).scalar_one()
    return runs


def close_refreshes(connection: Connection) -> list[int]:
    """Keep the stages of every system refresh whose work has ended; return their numbers."""
    closed = []
    for row in connection.execute(_RUNNING, {"limit": _CLOSED_AT_ONCE}).all():
        stages = _stages(connection, row)
        state = refresh_state(stages)
        if state is RefreshState.RUNNING:
            continue
        kept = [record.to_json() for record in stages]
        given = {"id": row.id, "state": state.value, "stages": kept}
        connection.execute(_CLOSE, given)
        closed.append(row.id)
    return closed


def _record(connection: Connection, row: Any) -> RefreshRecord:
    stages = row.stages
    if stages is None:
        stages = [record.to_json() for record in _stages(connection, row)]
    if row.state == RefreshState.SKIPPED:
        stages = []
    found = RefreshRecord(
        id=row.id,
        due_at=row.due_at,
        trigger=row.trigger,
        actor=row.actor,
        state=RefreshState(row.state),
        reason=row.reason,
        as_of=row.as_of,
        snapshot_id=row.snapshot_id,
        created_at=row.created_at,
        finished_at=row.finished_at,
        stages=stages,
    )
    return _compared(connection, found)


def _compared(connection: Connection, record: RefreshRecord) -> RefreshRecord:
    """Return the record with the change of each duration against the refresh that ended before it."""
    before = connection.execute(_BEFORE, {"id": record.id}).one_or_none()
    known = {s["stage"]: s["seconds"] for s in (before.stages or [])} if before else {}
    whole = None if before is None else (before.finished_at - before.created_at).total_seconds()
    stages = [
        dict(stage) | {"change_seconds": _change(stage["seconds"], known.get(stage["stage"]))}
        for stage in record.stages
    ]
    return replace(record, stages=stages, change_seconds=_change(record.seconds, whole))


def _change(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 3)


def _stages(connection: Connection, row: Any) -> list[StageRecord]:
    def counted(query: sa.TextClause, **given: Any) -> dict[str, Any]:
        return dict(connection.execute(query, {"id": row.id, **given}).mappings().one())

    deliveries = counted(_DELIVERIES)
    left_out = [s for s in refresh_skips(connection, row.id) if s.stage is Stage.EXPORTS]
    exports = Tally(
        **deliveries | {"skipped": sum(s.reason != SkipReason.UPSTREAM_CANCELLED for s in left_out)}
    )
    return stage_records(
        {
            Stage.MEASURES: Tally(**counted(_MEASURES, pinned_at=row.pinned_at)),
            Stage.SEGMENTS: Tally(**counted(_RUNS)),
            Stage.EXPORTS: exports,
        },
        pinned_at=row.pinned_at,
    )
