"""What a worker writes down about the batch it holds: engine, progress, durations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from muster_core.storage.claim import Claim

_ENGINE = text("""
UPDATE batch
   SET engine = :engine, engine_session = :session, engine_user = :user,
       engine_jobs = CASE WHEN CAST(:job AS text) IS NULL THEN engine_jobs
                          ELSE engine_jobs || jsonb_build_array(CAST(:job AS text)) END
 WHERE id = :id AND fence = :fence
""")

_PROGRESS = text("""
UPDATE batch SET tasks = :tasks, tasks_done = :done WHERE id = :id AND fence = :fence
""")

_SECONDS = text("""
UPDATE batch
   SET seconds = seconds || CAST(:seconds AS jsonb), plan_sha256 = coalesce(:plan, plan_sha256)
 WHERE id = :id AND fence = :fence
""")

_SNAPSHOT = text("SELECT id, generation, manifest, manifest_sha256 FROM snapshot WHERE id = :id")

_COMPARABLE = text("""
SELECT v.segment_id
  FROM segment g
  JOIN membership_version v ON v.segment_id = g.id AND v.version = g.published_version
  JOIN snapshot s ON s.id = v.snapshot_id
 WHERE g.id = ANY(:segments) AND s.generation = :generation
""")

#: Read before every claim, so it has an index of its own.
LEFT_OVER = text("""
SELECT id, engine_session, engine_user FROM batch
 WHERE state = 'lost' AND engine_session IS NOT NULL
   AND split_part(engine, ' ', 1) = :address
   AND coalesce(finished_at, started_at) > clock_timestamp() - interval '1 hour'
 ORDER BY id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRow:
    """A published snapshot: where its manifest is and what proves that it is the right one."""

    id: int
    generation: int
    manifest: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOver:
    """The engine session of a batch whose worker is gone."""

    batch_id: int
    session: str
    user: str


def record_job(
    connection: Connection, claim: Claim, *, engine: str, session: str, user: str, job: str | None
) -> None:
    """Note which engine and session serve the batch, and the tag of a job about to start there.

    `engine` is address and version, without credentials. Written before the job starts, so that a
    successor can stop what this process leaves running.
    """
    given = {"engine": engine, "session": session, "user": user, "job": job}
    connection.execute(_ENGINE, {**given, "id": claim.batch_id, "fence": claim.fence})


def record_progress(connection: Connection, claim: Claim, *, tasks: int, done: int) -> None:
    """Note how many tasks the batch has and how many have ended."""
    given = {"tasks": tasks, "done": done}
    connection.execute(_PROGRESS, {**given, "id": claim.batch_id, "fence": claim.fence})


def record_seconds(
    connection: Connection, claim: Claim, seconds: Mapping[str, float], *, plan: str | None
) -> None:
    """Note how long the stages took, and the SHA-256 of the plan that was evaluated."""
    rounded = {stage: round(value, 3) for stage, value in seconds.items()}
    given = {"seconds": json.dumps(rounded), "plan": plan}
    connection.execute(_SECONDS, {**given, "id": claim.batch_id, "fence": claim.fence})


def get_snapshot(connection: Connection, snapshot_id: int) -> SnapshotRow:
    """Return a published snapshot."""
    row = connection.execute(_SNAPSHOT, {"id": snapshot_id}).mappings().one()
    return SnapshotRow(**row)


def comparable_segments(
    connection: Connection, segment_ids: Sequence[int], generation: int
) -> frozenset[int]:
    """Return the segments whose last version was made in this store generation.

    Only there does an ordinal still mean the same customer, so that versions compare position by position.
    """
    given = {"segments": list(segment_ids), "generation": generation}
    return frozenset(connection.scalars(_COMPARABLE, given))


def left_over_sessions(connection: Connection, address: str) -> list[LeftOver]:
    """Return the sessions of batches lost within the last hour on the engine at `address`."""
    rows = connection.execute(LEFT_OVER, {"address": address})
    return [
        LeftOver(batch_id=row.id, session=row.engine_session, user=row.engine_user or "")
        for row in rows
    ]
