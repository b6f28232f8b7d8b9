"""The one way runs that hold a lease change state: compared with fence and state, with an event row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from muster_core.errors import InvalidInput, MusterError
from muster_core.runs.state import Reason, RunState
from muster_core.telemetry import redact

#: Longest error text kept on a run.
_ERROR_LENGTH = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where one held run goes: `wait` matters for pending, `counts` says whether the attempt counts.

    `cap` is the most runs it may be claimed together with from now on; None changes nothing.
    """

    run_id: int
    state: RunState
    reason: Reason
    wait: timedelta = timedelta(0)
    counts: bool = True
    cap: int | None = None


_MOVE = text("""
WITH held AS MATERIALIZED (
    SELECT r.id, r.state AS was, m.state, m.reason, m.wait, m.counts, m.cap
      FROM refresh_run r
      JOIN unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
                  CAST(:waits AS interval[]), CAST(:counts AS boolean[]), CAST(:caps AS int[]))
           AS m(id, state, reason, wait, counts, cap) ON m.id = r.id
     WHERE r.fence = ANY(:fences) AND r.state IN ('running', 'evaluated')
     ORDER BY r.id FOR UPDATE OF r
), moved AS (
    UPDATE refresh_run r
       SET state = h.state, reason = h.reason,
           attempt = r.attempt - CASE WHEN h.counts THEN 0 ELSE 1 END,
           available_at = clock_timestamp() + h.wait,
           batch_cap = coalesce(h.cap, r.batch_cap),
           lease_owner = CASE WHEN h.state = 'pending' THEN NULL ELSE r.lease_owner END,
           lease_expires_at = NULL,
           error_class = :error_class,
           error = CASE WHEN h.state = 'pending' THEN :error ELSE :last_error END,
           finished_at = CASE WHEN h.state = 'pending' THEN NULL ELSE clock_timestamp() END
      FROM held h WHERE r.id = h.id
 RETURNING r.id, h.was, r.state, r.reason, r.fence
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, fence, actor, reason)
    SELECT id, was, state, fence, :actor, reason FROM moved ORDER BY id
)
SELECT id, state FROM moved
""")


def told(error: MusterError, *, again: bool = False) -> str:
    """Return what a run keeps of an error: every problem of an input, no credentials, a bounded length.

    That the work is tried again is only said of a run that is, `again`.
    """
    text = str(error) if again else error.without_promise()
    if isinstance(error, InvalidInput):
        text = f"{text} {error.listed()}"
    return redact(text)[:_ERROR_LENGTH]


def move_runs(
    connection: Connection,
    moves: Sequence[Move],
    *,
    fences: Sequence[int],
    actor: str,
    error: MusterError | None = None,
    error_class: str | None = None,
    error_text: str | None = None,
) -> dict[int, str]:
    """Make the moves of runs that are held under one of `fences`; return the new state of each.

    `error`, or a class and a text, are kept on the runs; credentials in the text are blanked.
    """
    if not moves:
        return {}
    last_text = error_text
    if error is not None:
        error_class, error_text, last_text = error.code, told(error, again=True), told(error)
    rows = connection.execute(
        _MOVE,
        {
            "ids": [m.run_id for m in moves],
            "states": [m.state.value for m in moves],
            "reasons": [m.reason.value for m in moves],
            "waits": [m.wait for m in moves],
            "counts": [m.counts for m in moves],
            "caps": [m.cap for m in moves],
            "fences": sorted(set(fences)),
            "actor": actor,
            "error_class": error_class,
            "error": error_text,
            "last_error": last_text,
        },
    )
    return {row.id: row.state for row in rows}
