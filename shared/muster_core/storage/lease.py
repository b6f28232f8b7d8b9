"""What happens to claimed runs that are not published: renewed, failed, handed back, or found abandoned.

Every statement compares fence and state, locks its runs in id order (a heartbeat and a publish of the same
batch never wait for each other in a circle) and writes one event per run that moved.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from sqlalchemy import Connection, RowMapping, text

from muster_core.errors import MusterError, TransientError
from muster_core.runs.backoff import Backoff
from muster_core.runs.input import Inputs
from muster_core.runs.split import next_cap
from muster_core.runs.state import Reason, RunState
from muster_core.storage.claim import Claim
from muster_core.storage.transition import Move, move_runs

ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"


class Blame(Enum):
    """Whether the runs of a batch themselves may be why it came to nothing."""

    OTHERS = "others"
    PERHAPS_WORK = "perhaps_work"
    WORK = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How lost batches come back: `at_once` of them in one round, the next ones a `pause` later."""

    at_once: int = 8
    pause: timedelta = timedelta(seconds=5)

    def turns(self, batches: Sequence[int]) -> dict[int, timedelta]:
        """Return how long each batch waits for its turn, those claimed first before the others."""
        order = sorted(set(batches))
        return {batch: (place // self.at_once) * self.pause for place, batch in enumerate(order)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The answer to a heartbeat: whether any run is still held, and which ones somebody wants stopped."""

    held: bool
    cancelled: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """What the reaper did with runs whose lease had ended."""

    requeued: int = 0
    failed: int = 0
    cancelled: int = 0
    #: Batches given up; what they left running in the engine is interrupted by the next worker.
    batches: tuple[int, ...] = ()


_RENEW = text("""
WITH held AS MATERIALIZED (
    SELECT id FROM refresh_run
     WHERE id = ANY(:ids) AND fence = :fence AND state IN ('running', 'evaluated')
     ORDER BY id FOR UPDATE
)
UPDATE refresh_run r SET lease_expires_at = clock_timestamp() + :lease
  FROM held WHERE r.id = held.id
RETURNING r.id, r.cancel_requested
""")

_CANCELLED = text("""
SELECT id FROM refresh_run WHERE id = ANY(:ids) AND fence = :fence AND cancel_requested
   AND state IN ('running', 'evaluated')
""")

_HELD = text("""
SELECT id, attempt, max_attempts FROM refresh_run
 WHERE id = ANY(:ids) AND fence = :fence AND state IN ('running', 'evaluated')
 ORDER BY id FOR UPDATE
""")

_CLOSE_BATCH = text("""
UPDATE batch b SET state = 'finished', finished_at = clock_timestamp()
 WHERE b.id = :batch AND b.fence = :fence AND b.state = 'running'
   AND NOT EXISTS (SELECT 1 FROM refresh_run r
                    WHERE r.fence = b.fence AND r.state IN ('running', 'evaluated'))
""")

_NOTE_INPUTS = text("""
UPDATE refresh_run SET inputs = CAST(:inputs AS jsonb) WHERE id = :id AND fence = :fence
""")

_EXPIRED = text("""
SELECT r.id, r.fence, r.batch_id, r.attempt, r.max_attempts, r.cancel_requested,
       coalesce(b.runs, 1) AS runs, coalesce(jsonb_array_length(b.engine_jobs), 0) > 0 AS worked
  FROM refresh_run r LEFT JOIN batch b ON b.id = r.batch_id
 WHERE r.state IN ('running', 'evaluated') AND r.lease_expires_at < clock_timestamp()
 ORDER BY r.id LIMIT :limit FOR UPDATE OF r SKIP LOCKED
""")

_LOSE_BATCHES = text("""
UPDATE batch SET state = 'lost', finished_at = clock_timestamp(), error_class = 'lease_lost',
       error = 'The worker stopped renewing its lease.'
 WHERE id = ANY(:batches) AND state = 'running' RETURNING id
""")


def heartbeat(connection: Connection, claim: Claim, lease: timedelta) -> Heartbeat:
    """Extend the lease of every run of `claim` that is still held, by `lease` from now."""
    rows = connection.execute(
        _RENEW, {"ids": claim.run_ids, "fence": claim.fence, "lease": lease}
    ).all()
    return Heartbeat(
        held=bool(rows), cancelled=frozenset(row.id for row in rows if row.cancel_requested)
    )


def settle_failure(
    connection: Connection,
    claim: Claim,
    run_ids: Sequence[int],
    error: MusterError,
    *,
    backoff: Backoff | None = None,
    blame: Blame = Blame.OTHERS,
    reason: Reason = Reason.RETRY,
) -> dict[int, str]:
    """Record that these runs failed with `error`; return the new state of each run that was still held.

    A transient error puts a run back into the queue after a back-off, while it has attempts left, in a
    smaller batch where `blame` falls on the work.
    """
    wait = backoff or Backoff()
    # one for all: what failed together comes back together, as one engine job
    spread = random.random()  # noqa: S311
    held = connection.execute(_HELD, {"ids": sorted(run_ids), "fence": claim.fence}).all()
    moves = []
    for row in held:
        if not isinstance(error, TransientError):
            moves.append(Move(run_id=row.id, state=RunState.FAILED, reason=Reason.ERROR))
        elif row.attempt >= row.max_attempts:
            moves.append(
                Move(run_id=row.id, state=RunState.FAILED, reason=Reason.ATTEMPTS_EXHAUSTED)
            )
        else:
            moves.append(
                Move(
                    run_id=row.id,
                    state=RunState.PENDING,
                    reason=reason,
                    wait=wait.delay(row.attempt, jitter=lambda: spread),
                    cap=_cap(blame, len(run_ids), row.attempt, row.max_attempts),
                )
            )
    moved = move_runs(connection, moves, fences=[claim.fence], actor=claim.worker, error=error)
    close_batch(connection, claim)
    return moved


def put_off(
    connection: Connection, claim: Claim, error: MusterError, *, wait: timedelta
) -> list[int]:
    """Hand every run still held back for `wait`, the attempt not counted: the engine did not answer."""
    moves = [
        Move(
            run_id=run_id,
            state=RunState.PENDING,
            reason=Reason.ENGINE_AWAY,
            wait=wait,
            counts=False,
        )
        for run_id in claim.run_ids
    ]
    moved = move_runs(connection, moves, fences=[claim.fence], actor=claim.worker, error=error)
    close_batch(connection, claim)
    return sorted(moved)


def cancelled_runs(connection: Connection, claim: Claim) -> frozenset[int]:
    """Return the runs of `claim` that somebody wants stopped."""
    found = connection.scalars(_CANCELLED, {"ids": claim.run_ids, "fence": claim.fence})
    return frozenset(found)


def settle_skipped(
    connection: Connection,
    claim: Claim,
    run_id: int,
    reason: Reason,
    error: MusterError,
    inputs: Inputs,
) -> list[int]:
    """End a run that is not evaluated because of what it refers to; `error` says what to do."""
    moves = [Move(run_id=run_id, state=RunState.SKIPPED, reason=reason)]
    moved = move_runs(connection, moves, fences=[claim.fence], actor=claim.worker, error=error)
    if moved:
        given = {"id": run_id, "fence": claim.fence, "inputs": json.dumps(inputs.to_json())}
        connection.execute(_NOTE_INPUTS, given)
    close_batch(connection, claim)
    return sorted(moved)


def settle_cancelled(connection: Connection, claim: Claim, run_ids: Sequence[int]) -> list[int]:
    """Acknowledge a requested cancellation; return the runs that were still held."""
    moves = [
        Move(run_id=run_id, state=RunState.CANCELLED, reason=Reason.REQUESTED) for run_id in run_ids
    ]
    moved = move_runs(connection, moves, fences=[claim.fence], actor=claim.worker)
    close_batch(connection, claim)
    return sorted(moved)


def release(connection: Connection, claim: Claim) -> list[int]:
    """Hand back every run still held, as a soft stop does: at once claimable, the attempt not counted."""
    moves = [
        Move(run_id=run_id, state=RunState.PENDING, reason=Reason.RELEASED, counts=False)
        for run_id in claim.run_ids
    ]
    moved = move_runs(connection, moves, fences=[claim.fence], actor=claim.worker)
    close_batch(connection, claim)
    return sorted(moved)


def reap(
    connection: Connection,
    *,
    actor: str = "reaper",
    backoff: Backoff | None = None,
    recovery: Recovery | None = None,
    limit: int = 10_000,
) -> Reaped:
    """Take back up to `limit` runs whose lease has ended; any process may do it, at any time.

    After an outage many leases have ended: their batches come back a few at a time, as `recovery` says.
    """
    wait = backoff or Backoff()
    expired = connection.execute(_EXPIRED, {"limit": limit}).mappings().all()
    if not expired:
        return Reaped()
    lost = [row for row in expired if row["attempt"] < row["max_attempts"]]
    exhausted = [row for row in expired if row["attempt"] >= row["max_attempts"]]
    turns = (recovery or Recovery()).turns([row["batch_id"] for row in lost])
    moved = move_runs(
        connection,
        [_taken_back(row, wait, turns[row["batch_id"]]) for row in lost],
        fences=[row["fence"] for row in lost],
        actor=actor,
        error_class="lease_lost",
        error_text="The worker stopped renewing its lease.",
    )
    moved |= move_runs(
        connection,
        [_taken_back(row, wait) for row in exhausted],
        fences=[row["fence"] for row in exhausted],
        actor=actor,
        error_class=ATTEMPTS_EXHAUSTED,
        error_text="The worker stopped renewing its lease at the last attempt.",
    )
    batches = connection.scalars(
        _LOSE_BATCHES, {"batches": sorted({row["batch_id"] for row in expired})}
    ).all()
    states = list(moved.values())
    return Reaped(
        requeued=states.count(RunState.PENDING),
        failed=states.count(RunState.FAILED),
        cancelled=states.count(RunState.CANCELLED),
        batches=tuple(sorted(batches)),
    )


def close_batch(connection: Connection, claim: Claim) -> None:
    """Mark the batch finished once none of its runs is held any more."""
    connection.execute(_CLOSE_BATCH, {"batch": claim.batch_id, "fence": claim.fence})


def _cap(blame: Blame, size: int, attempt: int, max_attempts: int) -> int | None:
    if blame is Blame.OTHERS:
        return None
    certain = blame is Blame.WORK
    return next_cap(size, attempt=attempt, max_attempts=max_attempts, certain=certain)


def _taken_back(row: RowMapping, wait: Backoff, turn: timedelta = timedelta(0)) -> Move:
    if row["cancel_requested"]:
        return Move(run_id=row["id"], state=RunState.CANCELLED, reason=Reason.REQUESTED)
    if row["attempt"] >= row["max_attempts"]:
        return Move(run_id=row["id"], state=RunState.FAILED, reason=Reason.ATTEMPTS_EXHAUSTED)
    return Move(
        run_id=row["id"],
        state=RunState.PENDING,
        reason=Reason.LEASE_LOST,
        wait=wait.delay(row["attempt"], lease_lost=True) + turn,
        cap=_cap(
            Blame.PERHAPS_WORK if row["worked"] else Blame.OTHERS,
            row["runs"],
            row["attempt"],
            row["max_attempts"],
        ),
    )
