"""Refreshes that people ask for, and their cancellation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, text

from muster_core.errors import Conflict, NotFound
from muster_core.rules.limit import check_instant
from muster_core.runs.state import RunState
from muster_core.storage.nearest import require_segments
from muster_core.storage.run_table import refresh_run

#: What somebody waits for comes before what a schedule planned (5).
MANUAL_PRIORITY = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedRun:
    """A run that was asked for."""

    run_id: int
    name: str


# The segments are locked against an edit in between; one due instant for all, so they are taken together.
_CHOSEN = text("""
SELECT id, name, state FROM segment
 WHERE deleted_at IS NULL
   AND CASE WHEN CAST(:names AS text[]) IS NULL THEN state = 'active' AND type <> 'static'
            ELSE name = ANY(CAST(:names AS text[])) END
 ORDER BY id FOR SHARE
""")

_INSERT = text("""
WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at),
created AS (
    INSERT INTO refresh_run (segment_id, due_at, trigger, scheduler, requested_as_of, priority,
                             max_attempts)
    SELECT s.id, now.at, 'manual', :actor, :as_of, :priority, :attempts
      FROM segment s, now WHERE s.id = ANY(:segments) ORDER BY s.id
 RETURNING id, segment_id
), noted AS (
    INSERT INTO run_event (run_id, to_state, actor, reason)
    SELECT id, 'pending', :actor, 'manual' FROM created ORDER BY id
)
SELECT c.id AS run_id, s.name FROM created c JOIN segment s ON s.id = c.segment_id ORDER BY s.name
""")

_CANCEL = text("""
WITH chosen AS MATERIALIZED (
    SELECT id, state FROM refresh_run WHERE id = :id FOR UPDATE
), cancelled AS (
    UPDATE refresh_run r
       SET cancel_requested = true,
           state = CASE WHEN c.state IN ('pending', 'held') THEN 'cancelled' ELSE r.state END,
           reason = CASE WHEN c.state IN ('pending', 'held') THEN 'requested' ELSE r.reason END,
           finished_at = CASE WHEN c.state IN ('pending', 'held') THEN clock_timestamp() END
      FROM chosen c WHERE r.id = c.id AND c.state IN ('pending', 'running', 'evaluated', 'held')
 RETURNING r.id, c.state AS was, r.state
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, actor, reason)
    SELECT id, was, state, :actor, 'requested' FROM cancelled WHERE was <> state
)
SELECT state FROM cancelled
""")

_UNFINISHED = text("""
SELECT r.id FROM refresh_run r JOIN segment s ON s.id = r.segment_id
 WHERE s.name = :name AND r.state IN ('pending', 'running', 'evaluated')
 ORDER BY r.id FOR UPDATE OF r
""")

# The lock lets whoever removes snapshots wait until the run is pending.
_EXPIRED = text("""
SELECT n.expired_at IS NOT NULL
  FROM refresh_run r JOIN system_refresh f ON f.id = r.system_refresh_id
  JOIN snapshot n ON n.id = f.snapshot_id
 WHERE r.id = :id FOR SHARE OF n
""")

# What was counted stays: the budget grows, so that attempts remain the number of claims.
_RETRY = text("""
WITH again AS (
    UPDATE refresh_run
       SET state = 'pending', reason = 'requested', max_attempts = attempt + :attempts,
           available_at = clock_timestamp(), finished_at = NULL, lease_owner = NULL,
           cancel_requested = false
     WHERE id = :id AND state = 'failed' RETURNING id
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, actor, reason)
    SELECT id, 'failed', 'pending', :actor, 'requested' FROM again
)
SELECT id FROM again
""")


def request_refresh(
    connection: Connection,
    *,
    names: Sequence[str] | None,
    as_of: datetime | None = None,
    actor: str,
    max_attempts: int = 5,
) -> list[RequestedRun]:
    """Queue a manual run for each named segment, or with None for every active one that is not static.

    `as_of` is the instant the rules are evaluated at; None means the time of the claim.

    Raises:
        NotFound: a segment does not exist; nothing was queued.
        Conflict: a segment is not active; nothing was queued.
        InvalidInput: `as_of` has no offset or lies outside the years that rules know.
    """
    check_instant(as_of)
    if names is not None:
        require_segments(connection, names)
    chosen = connection.execute(
        _CHOSEN, {"names": None if names is None else sorted(set(names))}
    ).all()
    idle = [row for row in chosen if row.state != "active"]
    if idle:
        listed = ", ".join(f"`{row.name}` ({row.state})" for row in idle[:10])
        raise Conflict(
            f"Only active segments are refreshed: {listed}{' and more' if len(idle) > 10 else ''}.",
            hint="Set `state: active` in the document and apply it with `muster segment apply`.",
        )
    rows = connection.execute(
        _INSERT,
        {
            "segments": [row.id for row in chosen],
            "actor": actor,
            "as_of": as_of,
            "priority": MANUAL_PRIORITY,
            "attempts": max_attempts,
        },
    )
    return [RequestedRun(run_id=row.run_id, name=row.name) for row in rows]


def cancel_run(connection: Connection, run_id: int, *, actor: str) -> str:
    """Cancel a waiting run at once; ask the holder of a running one to stop. Return the run's state.

    Raises:
        NotFound: there is no such run.
        Conflict: it has ended.
    """
    state: str | None = connection.scalar(_CANCEL, {"id": run_id, "actor": actor})
    if state is not None:
        return RunState(state)
    raise Conflict(f"Run {run_id} has ended: it is {run_state(connection, run_id)}.")


def cancel_segment(connection: Connection, name: str, *, actor: str) -> dict[int, str]:
    """Cancel every run of the segment `name` that waits or runs; return the state of each.

    Raises:
        NotFound: there is no such segment.
    """
    require_segments(connection, [name])
    unfinished = connection.scalars(_UNFINISHED, {"name": name}).all()
    return {run_id: cancel_run(connection, run_id, actor=actor) for run_id in unfinished}


def retry_run(connection: Connection, run_id: int, *, actor: str, attempts: int = 5) -> None:
    """Queue a failed run again, with `attempts` more.

    Raises:
        NotFound: there is no such run.
        Conflict: it has not failed, or the snapshot its system refresh stands on has expired.
    """
    if connection.scalar(_EXPIRED, {"id": run_id}):
        raise Conflict(
            f"Run {run_id} belongs to a system refresh whose snapshot of the data is no longer kept.",
            hint="`muster segment refresh NAME` asks for a new run.",
        )
    given = {"id": run_id, "actor": actor, "attempts": attempts}
    if connection.scalar(_RETRY, given) is None:
        state = run_state(connection, run_id)
        raise Conflict(
            f"Run {run_id} has not failed: it is {state}.",
            hint="`muster segment refresh NAME` asks for a new run.",
        )


def run_state(connection: Connection, run_id: int) -> str:
    """Return the state of a run.

    Raises:
        NotFound: there is none.
    """
    found: str | None = connection.scalar(
        sa.select(refresh_run.c.state).where(refresh_run.c.id == run_id)
    )
    if found is None:
        raise NotFound(f"There is no run {run_id}.", hint="`muster run list` shows the latest.")
    return found
