"""Held versions: evaluated, kept back by the delivery gate, and settled by a person or by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from muster_core.errors import Conflict
from muster_core.runs.state import Reason, RunState
from muster_core.storage.epoch import VERSIONS_PER_EPOCH
from muster_core.storage.publication import make_versions
from muster_core.storage.request import run_state

#: Longest reason kept with a rejection.
_REASON_LENGTH = 1_000

# The segment first, as publishing does: what is decided about its versions is decided one at a time.
_LOCK_SEGMENT = text("""
SELECT s.id FROM segment s JOIN refresh_run r ON r.segment_id = s.id
 WHERE r.id = :id FOR NO KEY UPDATE OF s
""")

_HELD = text("""
SELECT s.deleted_at IS NOT NULL AS deleted,
       coalesce(s.published_due_at >= r.due_at, false) AS stale
  FROM refresh_run r JOIN segment s ON s.id = r.segment_id
 WHERE r.id = :id AND r.state = 'held' FOR UPDATE OF r
""")

_SETTLE = text("""
WITH settled AS (
    UPDATE refresh_run r
       SET state = :state, reason = :reason, finished_at = clock_timestamp(),
           error_class = :error_class, error = CASE WHEN :keep THEN r.error ELSE :error END,
           version = CASE WHEN :state = 'published'
                          THEN greatest(coalesce(s.published_version, 0),
                                        :per_epoch * (SELECT epoch FROM cluster)) + 1 END
      FROM segment s
     WHERE r.id = ANY(:ids) AND r.state = 'held' AND s.id = r.segment_id
 RETURNING r.id, r.state, r.reason, r.fence
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, fence, actor, reason)
    SELECT id, 'held', state, fence, :actor, reason FROM settled ORDER BY id
)
SELECT id FROM settled
""")

_EXPIRED = text("""
SELECT id FROM refresh_run
 WHERE state = 'held' AND finished_at < clock_timestamp() - CAST(:after AS interval)
 ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")


def approve_run(connection: Connection, run_id: int, *, actor: str) -> RunState:
    """Publish a held run, and queue its deliveries, unless it came too late; return how it ended.

    It ends superseded where a later run was published meanwhile, and cancelled where its segment is gone.

    Raises:
        NotFound: there is no such run.
        Conflict: it is not held.
    """
    connection.execute(_LOCK_SEGMENT, {"id": run_id})
    row = connection.execute(_HELD, {"id": run_id}).one_or_none()
    if row is None:
        raise _not_held(connection, run_id)
    if row.deleted:
        _settle(connection, [run_id], RunState.CANCELLED, Reason.DELETED, actor)
        return RunState.CANCELLED
    if row.stale:
        _settle(connection, [run_id], RunState.SUPERSEDED, Reason.NEWER_PUBLISHED, actor)
        return RunState.SUPERSEDED
    _settle(connection, [run_id], RunState.PUBLISHED, None, actor)
    make_versions(connection, [run_id], actor)
    return RunState.PUBLISHED


def reject_run(connection: Connection, run_id: int, *, actor: str, why: str | None = None) -> None:
    """Cancel a held run: the last published members stay. `why` is kept on the run.

    Raises:
        NotFound: there is no such run.
        Conflict: it is not held.
    """
    text_kept = None if why is None else f"Rejected: {why}"[:_REASON_LENGTH]
    if not _settle(
        connection, [run_id], RunState.CANCELLED, Reason.REJECTED, actor, error=text_kept
    ):
        raise _not_held(connection, run_id)


def expire_held(
    connection: Connection, *, after: timedelta, actor: str, limit: int = 1_000
) -> list[int]:
    """Cancel runs that nobody approved within `after` of being held; return which."""
    ids = connection.scalars(_EXPIRED, {"after": after, "limit": limit}).all()
    return _settle(connection, ids, RunState.CANCELLED, Reason.EXPIRED, actor)


def _settle(
    connection: Connection,
    run_ids: Sequence[int],
    state: RunState,
    reason: Reason | None,
    actor: str,
    *,
    error: str | None = None,
) -> list[int]:
    if not run_ids:
        return []
    given = {
        "ids": list(run_ids),
        "state": state.value,
        "reason": reason and reason.value,
        # a published run has no error; one that ended otherwise still says why it was held
        "keep": state is not RunState.PUBLISHED and error is None,
        "error": error,
        "error_class": None if state is RunState.PUBLISHED else reason and reason.value,
        "actor": actor,
        "per_epoch": VERSIONS_PER_EPOCH,
    }
    return sorted(connection.scalars(_SETTLE, given))


def _not_held(connection: Connection, run_id: int) -> Conflict:
    return Conflict(
        f"Run {run_id} is not held: it is {run_state(connection, run_id)}.",
        hint="`muster run held` lists those that are.",
    )
