"""Takes waiting runs for a worker: one batch under one fence, in one transaction.

Segments are locked first, with SKIP LOCKED, so that workers never wait for each other nor for somebody who
edits a segment; under the lock no other worker can claim a run of the segment.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from psycopg.errors import UniqueViolation
from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, text
from sqlalchemy.exc import IntegrityError

from muster_core.errors import UnreadableSegment
from muster_core.lake.manifest import Pointer
from muster_core.rules.document import SegmentDocument
from muster_core.rules.reference import measures_of
from muster_core.runs.reference import Blocker
from muster_core.runs.selection import Ending, Selection, Waiting, claim_order, select_runs
from muster_core.runs.state import Reason, RunState
from muster_core.storage.claimed import Claim, ClaimedMeasure, ClaimedRun, ClaimPolicy
from muster_core.storage.measure import list_measures
from muster_core.storage.transition import Move, move_runs

__all__ = [
    "Claim",
    "ClaimPolicy",
    "ClaimedMeasure",
    "ClaimedRun",
    "claim_batch",
    "release_unknown",
]

#: How often a claim that only settled runs looks again before it returns empty-handed.
_ROUNDS = 3


# LIMIT stands above the row locks in the plan: rows that others hold are passed over, not counted.
_LOCK_SEGMENTS = text("""
WITH newest AS MATERIALIZED (
    SELECT segment_id, (array_agg(id ORDER BY due_at DESC, id DESC))[1] AS id,
           bool_or(cancel_requested) AS cancelled
      FROM refresh_run WHERE state = 'pending' AND schema_version <= :schema
     GROUP BY segment_id, requested_as_of
), waiting AS MATERIALIZED (
    SELECT n.segment_id, bool_or(n.cancelled) AS cancelled,
           bool_or(r.available_at <= clock_timestamp() AND r.attempt < r.max_attempts) AS ready,
           min(r.priority - floor(extract(epoch FROM clock_timestamp() - r.created_at)
                                  / CAST(:ageing AS float8))) AS priority, min(r.due_at) AS due_at, min(r.id) AS first
      FROM newest n JOIN refresh_run r ON r.id = n.id GROUP BY n.segment_id
)
SELECT s.id
  FROM waiting w
  JOIN segment s ON s.id = w.segment_id
 WHERE (w.ready OR w.cancelled OR s.state <> 'active' OR s.deleted_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM refresh_run a
                    WHERE a.segment_id = s.id AND a.state IN ('running', 'evaluated'))
 ORDER BY w.priority, w.due_at, w.first
 LIMIT :limit
   FOR NO KEY UPDATE OF s SKIP LOCKED
""")

# The same for segments named in the order to take them.
_LOCK_NAMED = text("""
SELECT s.id
  FROM unnest(CAST(:segments AS bigint[])) WITH ORDINALITY AS w(id, place)
  JOIN segment s ON s.id = w.id
 ORDER BY w.place
 LIMIT :limit
   FOR NO KEY UPDATE OF s SKIP LOCKED
""")

# Runs that have not ended of segments that waiting ones refer to. What ends without being evaluated holds
# nobody up, nor does a static segment, which is refreshed by hand only.
BLOCKERS = text("""
SELECT f.segment_id, f.referred_id, b.id AS run_id, b.due_at
  FROM segment_reference f
  JOIN segment t ON t.id = f.referred_id AND t.state = 'active' AND t.type <> 'static'
                AND t.deleted_at IS NULL
  JOIN refresh_run b ON b.segment_id = t.id AND b.state IN ('pending', 'running', 'evaluated')
                    AND NOT (b.state = 'pending' AND b.cancel_requested)
 WHERE CASE WHEN CAST(:segments AS bigint[]) IS NULL
            THEN EXISTS (SELECT 1 FROM refresh_run p
                          WHERE p.segment_id = f.segment_id AND p.state = 'pending')
            ELSE f.segment_id = ANY(CAST(:segments AS bigint[])) END
""")

_WAITING_COLUMNS = """
SELECT r.id AS run_id, r.segment_id, r.due_at, r.trigger, r.batch_cap,
       CAST(r.priority - floor(extract(epoch FROM clock_timestamp() - r.created_at)
                               / CAST(:ageing AS float8)) AS int) AS priority,
       r.available_at <= clock_timestamp() AS available,
       r.attempt < r.max_attempts AS attempts_left,
       r.cancel_requested, r.requested_as_of, r.system_refresh_id,
       s.state AS segment_state, s.type AS segment_type, s.deleted_at IS NOT NULL AS deleted
  FROM refresh_run r
  JOIN segment s ON s.id = r.segment_id
 WHERE r.state = 'pending' AND r.schema_version <= :schema
   AND NOT EXISTS (SELECT 1 FROM refresh_run a
                    WHERE a.segment_id = s.id AND a.state IN ('running', 'evaluated'))
"""

# A statement of its own: it sees what was committed until the locks were taken.
_WAITING = text(f"""{_WAITING_COLUMNS}
   AND r.segment_id = ANY(:segments)
 ORDER BY r.id
   FOR UPDATE OF r
""")

_ALL_WAITING = text(_WAITING_COLUMNS)

_END = text("""
WITH ended AS (
    UPDATE refresh_run r
       SET state = e.state, reason = e.reason, finished_at = clock_timestamp()
      FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]))
           AS e(id, state, reason)
     WHERE r.id = e.id AND r.state = 'pending'
 RETURNING r.id, r.state, r.reason
)
INSERT INTO run_event (run_id, from_state, to_state, actor, reason)
SELECT id, 'pending', state, :actor, reason FROM ended ORDER BY id
""")

_PIN_REFRESH = text("""
UPDATE system_refresh SET as_of = coalesce(as_of, clock_timestamp())
 WHERE id = :id RETURNING as_of, snapshot_id
""")

_OPEN_BATCH = text("""
INSERT INTO batch (fence, worker, state, runs, as_of, snapshot_id)
VALUES (nextval('fence_seq'), :worker, 'running', :runs,
        coalesce(CAST(:as_of AS timestamptz), clock_timestamp()), :snapshot_id)
RETURNING id, fence, as_of
""")

_TAKE = text("""
WITH taken AS (
    UPDATE refresh_run r
       SET state = 'running', reason = NULL, attempt = r.attempt + 1, fence = :fence,
           lease_owner = :worker, lease_expires_at = clock_timestamp() + :lease,
           batch_id = :batch, rule_rev = s.rev, rule_hash = s.rule_hash, as_of = :as_of,
           snapshot_id = :snapshot_id, started_at = clock_timestamp(),
           error_class = NULL, error = NULL, manifest = NULL, manifest_sha256 = NULL, bit = NULL,
           inputs = NULL, inputs_sha256 = NULL
      FROM segment s
     WHERE r.id = ANY(:ids) AND r.state = 'pending' AND s.id = r.segment_id
 RETURNING r.id, r.segment_id, r.due_at, r.attempt, r.rule_rev, r.rule_hash,
           s.name, s.document, s.published_version
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, fence, actor)
    SELECT id, 'pending', 'running', :fence, :worker FROM taken ORDER BY id
)
SELECT t.*, p.manifest, p.manifest_sha256, p.bit
  FROM taken t
  LEFT JOIN membership_pointer p
    ON p.segment_id = t.segment_id AND p.version = t.published_version
""")


# Every document of the batch was unreadable: nothing is left to work on.
_CLOSE_EMPTY = text("""
UPDATE batch SET state = 'finished', finished_at = clock_timestamp() WHERE id = :id
""")


# Claims that count batches do it one at a time, or two could take the last place.
_LOCK_CLAIMS = text("SELECT pg_advisory_xact_lock(hashtext('muster claims'))")

_RUNNING_BATCHES = text("""
SELECT count(DISTINCT fence) FROM refresh_run WHERE state IN ('running', 'evaluated')
""")


def claim_batch(
    connection: Connection,
    *,
    worker: str,
    lease: timedelta,
    limit: int = 1_000,
    policy: ClaimPolicy | None = None,
) -> Claim | None:
    """Take runs for `worker`, as many as `policy` (or `limit` alone) allows, None where none is claimable.

    Runs come together only where they share the instant asked for and the system refresh they belong to.
    Older waiting runs of the same segments, and runs of segments that may not be refreshed, end here.
    Attempts count from the claim, so that a run that kills its worker is not tried for ever.
    """
    policy = policy or ClaimPolicy(limit=limit)
    if _is_full(connection, policy):
        return None
    try:
        # The partial unique index `one_active` is the last word; losing that race claims nothing.
        with connection.begin_nested():
            for _ in range(_ROUNDS):
                selection = _select(connection, policy)
                _end(connection, selection.ended, worker)
                if selection.claimed:
                    claim = _take(connection, selection, worker, lease)
                    if claim.runs:
                        return claim
                    connection.execute(_CLOSE_EMPTY, {"id": claim.batch_id})
                elif not selection.ended:
                    return None
    except IntegrityError as exc:
        if not isinstance(exc.orig, UniqueViolation):
            raise
        return None
    return None


def release_unknown(connection: Connection, worker: str) -> int:
    """Let the leases of `worker` end now: those of a claim whose answer was lost; return how many."""
    return connection.execute(_END_LEASES, {"worker": worker}).rowcount


_END_LEASES = text("""
UPDATE refresh_run SET lease_expires_at = clock_timestamp()
 WHERE lease_owner = :worker AND state IN ('running', 'evaluated')
""")


def _is_full(connection: Connection, policy: ClaimPolicy) -> bool:
    if policy.concurrent is None:
        return False
    if connection.scalar(_RUNNING_BATCHES) >= policy.concurrent:
        return True
    connection.execute(_LOCK_CLAIMS)
    running: int = connection.scalar(_RUNNING_BATCHES)
    return running >= policy.concurrent


def _select(connection: Connection, policy: ClaimPolicy) -> Selection:
    """Lock as many segments as runs may be claimed, and choose among their runs.

    References are looked at twice: before the locks, so that none is spent on a run that has to wait; and
    under them, because another worker may have taken a run referred to meanwhile.
    """
    blockers = _blockers(connection, None)
    if blockers:
        rows = connection.execute(_ALL_WAITING, policy.parameters)
        order = claim_order([Waiting(**row) for row in rows.mappings()], blockers)
        locked = connection.scalars(_LOCK_NAMED, {"segments": order, "limit": policy.limit})
    else:
        locked = connection.scalars(_LOCK_SEGMENTS, {**policy.parameters, "limit": policy.limit})
    segments = list(locked)
    if not segments:
        return Selection(claimed=(), ended=())
    rows = connection.execute(_WAITING, {**policy.parameters, "segments": segments})
    waiting = [Waiting(**row) for row in rows.mappings()]
    return select_runs(waiting, limit=policy.limit, blockers=_blockers(connection, segments))


def _blockers(connection: Connection, segments: Sequence[int] | None) -> list[Blocker]:
    rows = connection.execute(BLOCKERS, {"segments": segments})
    return [Blocker(**row) for row in rows.mappings()]


def _end(connection: Connection, ended: Sequence[Ending], actor: str) -> None:
    if ended:
        connection.execute(
            _END,
            {
                "ids": [e.run_id for e in ended],
                "states": [e.state.value for e in ended],
                "reasons": [e.reason.value for e in ended],
                "actor": actor,
            },
        )


def _take(connection: Connection, selection: Selection, worker: str, lease: timedelta) -> Claim:
    first = selection.claimed[0]
    as_of, snapshot_id = first.requested_as_of, None
    if first.system_refresh_id is not None:
        pin = connection.execute(_PIN_REFRESH, {"id": first.system_refresh_id}).one()
        as_of, snapshot_id = as_of or pin.as_of, pin.snapshot_id
    opened = connection.execute(
        _OPEN_BATCH,
        {
            "worker": worker,
            "runs": len(selection.claimed),
            "as_of": as_of,
            "snapshot_id": snapshot_id,
        },
    ).one()
    rows = connection.execute(
        _TAKE,
        {
            "fence": opened.fence,
            "worker": worker,
            "lease": lease,
            "batch": opened.id,
            "as_of": opened.as_of,
            "snapshot_id": snapshot_id,
            "ids": [run.run_id for run in selection.claimed],
        },
    )
    claimed: dict[int, ClaimedRun] = {}
    unreadable: list[int] = []
    for row in rows.mappings():
        try:
            claimed[row["id"]] = _claimed(row)
        except ValidationError:
            unreadable.append(row["id"])
    _refuse(connection, unreadable, opened.fence, worker)
    used = {name for run in claimed.values() for name in measures_of(run.document)}
    return Claim(
        batch_id=opened.id,
        fence=opened.fence,
        worker=worker,
        as_of=opened.as_of,
        snapshot_id=snapshot_id,
        system_refresh_id=first.system_refresh_id,
        runs=tuple(claimed[r.run_id] for r in selection.claimed if r.run_id in claimed),
        measures=_measures(connection, used),
    )


def _measures(connection: Connection, names: Collection[str]) -> dict[str, ClaimedMeasure]:
    if not names:
        return {}
    return {
        found.name: ClaimedMeasure(document=found.document, rev=found.rev, digest=found.digest)
        for found in list_measures(connection, names)
        if found.document is not None
    }


def _refuse(connection: Connection, run_ids: Sequence[int], fence: int, worker: str) -> None:
    """Fail the runs whose stored document this release cannot read; the others go on."""
    move_runs(
        connection,
        [Move(run_id=i, state=RunState.FAILED, reason=Reason.ERROR) for i in run_ids],
        fences=[fence],
        actor=worker,
        error=UnreadableSegment(),
    )


def _claimed(row: RowMapping) -> ClaimedRun:
    previous = None
    if row["manifest"] is not None:
        previous = Pointer(
            manifest=row["manifest"], manifest_sha256=row["manifest_sha256"], bit=row["bit"]
        )
    return ClaimedRun(
        run_id=row["id"],
        segment_id=row["segment_id"],
        name=row["name"],
        document=SegmentDocument.model_validate(row["document"]),
        rule_rev=row["rule_rev"],
        rule_hash=row["rule_hash"],
        due_at=row["due_at"],
        attempt=row["attempt"],
        previous=previous,
        previous_version=row["published_version"],
    )
