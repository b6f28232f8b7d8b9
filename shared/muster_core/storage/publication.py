"""Makes evaluated memberships visible: one transaction for a batch, each segment settled on its own.

A segment's row is locked while its version is made, so versions count 1, 2, ... without gaps and their due
instants only grow. Deliveries are queued in the same transaction: what is published is sent, and only that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, text

from muster_core.errors import LeaseLost, SnapshotMoved
from muster_core.rules.gate import Gate
from muster_core.runs.gate import Change, GatePolicy, gate_trips
from muster_core.runs.input import Inputs
from muster_core.runs.state import RunState
from muster_core.storage.claim import Claim
from muster_core.storage.ending import Ending, EvaluatedRun, decide_endings
from muster_core.storage.epoch import VERSIONS_PER_EPOCH
from muster_core.storage.lease import close_batch
from muster_core.storage.transition import Move, move_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the evaluation of one run gave: its bit of the matrix and its counts."""

    run_id: int
    bit: int
    member_count: int
    joined: int
    left: int
    #: Members per pointer into the document, running counts per rule, and the share of the batch's work.
    node_counts: Mapping[str, object]
    #: What it was computed from beside its rules and the snapshot, see `muster_core.runs.input`.
    inputs: Inputs | None = None


_PIN_BATCH = text("""
UPDATE batch SET snapshot_id = :snapshot WHERE id = :batch AND fence = :fence
""")

_PIN_REFRESH = text("""
UPDATE system_refresh SET snapshot_id = coalesce(snapshot_id, :snapshot),
       pinned_at = coalesce(pinned_at, clock_timestamp())
 WHERE id = :id RETURNING snapshot_id
""")

# The lock lets whoever removes snapshots wait until this one is named.
_STILL_THERE = text("""
SELECT true FROM snapshot WHERE id = :snapshot AND expired_at IS NULL FOR SHARE
""")

_RECORD = text("""
WITH held AS MATERIALIZED (
    SELECT r.id, o.bit, o.members, o.joined, o.gone, o.nodes, o.inputs, o.inputs_sha256
      FROM refresh_run r
      JOIN unnest(CAST(:ids AS bigint[]), CAST(:bits AS int[]), CAST(:members AS bigint[]),
                  CAST(:joined AS bigint[]), CAST(:gone AS bigint[]), CAST(:nodes AS text[]),
                  CAST(:inputs AS text[]), CAST(:inputs_sha256 AS text[]))
           AS o(id, bit, members, joined, gone, nodes, inputs, inputs_sha256) ON o.id = r.id
     WHERE r.fence = :fence AND r.state = 'running'
     ORDER BY r.id FOR UPDATE OF r
), moved AS (
    UPDATE refresh_run r
       SET state = 'evaluated', lease_expires_at = clock_timestamp() + :lease,
           snapshot_id = :snapshot, manifest = :manifest, manifest_sha256 = :sha256,
           bit = h.bit, member_count = h.members, joined = h.joined, "left" = h.gone,
           node_counts = CAST(h.nodes AS jsonb), inputs = CAST(h.inputs AS jsonb),
           inputs_sha256 = h.inputs_sha256
      FROM held h WHERE r.id = h.id
 RETURNING r.id
), noted AS (
    INSERT INTO run_event (run_id, from_state, to_state, fence, actor)
    SELECT id, 'running', 'evaluated', :fence, :worker FROM moved ORDER BY id
)
SELECT id FROM moved
""")

_RECORDED = text("""
SELECT id FROM refresh_run
 WHERE id = ANY(:ids) AND fence = :fence AND state = 'evaluated' AND manifest = :manifest
""")

_RECORD_BATCH = text("""
UPDATE batch SET snapshot_id = :snapshot, manifest = :manifest, manifest_sha256 = :sha256
 WHERE id = :batch AND fence = :fence
""")

_LOCK_SEGMENTS = text("""
SELECT id FROM segment WHERE id = ANY(:segments) ORDER BY id FOR NO KEY UPDATE
""")

# Read after the locks are held, and the runs locked too: the reaper cannot take one away half-way.
_EVALUATED = text("""
SELECT r.id AS run_id, s.name AS segment, r.cancel_requested, s.deleted_at IS NOT NULL AS deleted,
       coalesce(s.published_due_at >= r.due_at, false) AS stale, r.inputs,
       s.document->'gate' AS gate, coalesce(s.published_version, 0) AS versions,
       v.member_count AS before, r.member_count AS after
  FROM refresh_run r JOIN segment s ON s.id = r.segment_id
  LEFT JOIN membership_version v ON v.segment_id = s.id AND v.version = s.published_version
 WHERE r.id = ANY(:ids) AND r.fence = :fence AND r.state = 'evaluated'
 ORDER BY r.id FOR UPDATE OF r
""")

_PUBLISHED = text("""
SELECT id FROM refresh_run WHERE id = ANY(:ids) AND fence = :fence AND state = 'published'
""")

# a version that was published and forgotten with a restore is never given to other members
_SETTLE = text("""
WITH moved AS (
    UPDATE refresh_run r
       SET state = m.state, reason = m.reason, lease_expires_at = NULL,
           finished_at = clock_timestamp(),
           version = CASE WHEN m.state = 'published'
                          THEN greatest(coalesce(s.published_version, 0),
                                        :per_epoch * (SELECT epoch FROM cluster)) + 1 END
      FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]))
           AS m(id, state, reason), segment s
     WHERE r.id = m.id AND r.fence = :fence AND r.state = 'evaluated' AND s.id = r.segment_id
 RETURNING r.id, r.state, r.reason
)
INSERT INTO run_event (run_id, from_state, to_state, fence, actor, reason)
SELECT id, 'evaluated', state, :fence, :worker, reason FROM moved ORDER BY id
""")

_VERSIONS = text("""
INSERT INTO membership_version (segment_id, version, run_id, fence, due_at, as_of, rule_rev,
                                rule_hash, snapshot_id, member_count, joined, "left",
                                inputs_sha256)
SELECT segment_id, version, id, fence, due_at, as_of, rule_rev, rule_hash, snapshot_id,
       member_count, joined, "left", inputs_sha256
  FROM refresh_run WHERE id = ANY(:ids) ORDER BY id
""")

_POINTERS = text("""
INSERT INTO membership_pointer (segment_id, version, manifest, manifest_sha256, bit)
SELECT segment_id, version, manifest, manifest_sha256, bit FROM refresh_run WHERE id = ANY(:ids)
""")

_ADVANCE = text("""
UPDATE segment s SET published_version = r.version, published_due_at = r.due_at
  FROM refresh_run r WHERE r.id = ANY(:ids) AND s.id = r.segment_id
""")

# Members taken from the same batch get their version only now, or the reason why they have none.
_NAME_VERSIONS = text("""
UPDATE refresh_run r
   SET inputs = jsonb_set(r.inputs, '{segments}', (
         SELECT jsonb_agg(CASE WHEN t.id IS NULL THEN e.entry
                               WHEN t.state = 'published'
                               THEN e.entry || jsonb_build_object('version', t.version, 'reason', NULL)
                               ELSE e.entry || '{"version": null, "reason": "not_published"}' END
                          ORDER BY e.place)
           FROM jsonb_array_elements(r.inputs->'segments') WITH ORDINALITY AS e(entry, place)
           LEFT JOIN refresh_run t ON t.id = CAST(e.entry->>'run_id' AS bigint)))
 WHERE r.id = ANY(:ids) AND r.inputs @> '{"segments": [{"same_batch": true}]}'
""")

_SUPERSEDE_DELIVERIES = text("""
WITH older AS (
    UPDATE delivery d SET state = 'superseded', reason = 'superseded',
           finished_at = clock_timestamp()
      FROM refresh_run r, export_segment es, export e
     WHERE r.id = ANY(:ids) AND d.segment_id = r.segment_id AND d.version < r.version
       AND d.state = 'pending' AND es.segment_id = d.segment_id AND es.export_id = d.export_id
       AND e.id = d.export_id AND e.active
       AND coalesce(e.document->>'schedule', 'after_refresh') = 'after_refresh'
       AND coalesce(e.document->>'policy', 'latest') = 'latest'
       AND NOT EXISTS (SELECT FROM erasure_part p  -- its files are to be written without somebody
                        WHERE p.delivery_id = d.id AND p.state IN ('pending', 'sent'))
 RETURNING d.id, d.fence
)
INSERT INTO delivery_event (delivery_id, from_state, to_state, fence, actor, reason)
SELECT id, 'pending', 'superseded', fence, :worker, 'superseded' FROM older ORDER BY id
""")

_QUEUE_DELIVERIES = text("""
WITH queued AS (
    INSERT INTO delivery (export_id, segment_id, version, document, reason)
    SELECT e.id, r.segment_id, r.version, e.document, 'published'
      FROM refresh_run r
      JOIN export_segment es ON es.segment_id = r.segment_id
      JOIN export e ON e.id = es.export_id AND e.active
       AND coalesce(e.document->>'schedule', 'after_refresh') = 'after_refresh'
     WHERE r.id = ANY(:ids)
     ORDER BY r.id, e.id
    ON CONFLICT (export_id, segment_id, version) DO NOTHING
 RETURNING id
)
INSERT INTO delivery_event (delivery_id, to_state, actor, reason)
SELECT id, 'pending', :worker, 'published' FROM queued ORDER BY id
""")

# Of a segment at most one run waits for a person: the one due last.
_SUPERSEDE_HELD = text("""
WITH older AS (
    UPDATE refresh_run h
       SET state = 'superseded', finished_at = clock_timestamp(),
           reason = CASE r.state WHEN 'published' THEN 'newer_published' ELSE 'newer_held' END
      FROM refresh_run r
     WHERE r.id = ANY(:ids) AND r.state IN ('published', 'held')
       AND h.segment_id = r.segment_id AND h.state = 'held' AND h.due_at < r.due_at
 RETURNING h.id, h.fence, h.reason
)
INSERT INTO run_event (run_id, from_state, to_state, fence, actor, reason)
SELECT id, 'held', 'superseded', fence, :actor, reason FROM older ORDER BY id
""")

_SETTLED = text("""
SELECT id, state FROM refresh_run
 WHERE id = ANY(:ids) AND fence = :fence
""")


def pin_snapshot(connection: Connection, claim: Claim, snapshot_id: int) -> int:
    """Name the snapshot `claim` is evaluated on, and return the one to use.

    All batches of a system refresh use the snapshot the first of them pinned.

    Raises:
        SnapshotMoved: it has expired meanwhile; its files may go.
    """
    pinned = snapshot_id
    if claim.system_refresh_id is not None:
        pinned = connection.execute(
            _PIN_REFRESH, {"snapshot": snapshot_id, "id": claim.system_refresh_id}
        ).scalar_one()
    if not connection.scalar(_STILL_THERE, {"snapshot": pinned}):
        raise SnapshotMoved("The snapshot to evaluate has expired; the work begins anew.")
    connection.execute(
        _PIN_BATCH, {"snapshot": pinned, "batch": claim.batch_id, "fence": claim.fence}
    )
    return pinned


def record_evaluated(
    connection: Connection,
    claim: Claim,
    *,
    snapshot_id: int,
    manifest: str,
    manifest_sha256: str,
    outcomes: Sequence[Outcome],
    lease: timedelta,
) -> frozenset[int]:
    """Keep where the members are and how many; return the runs that were still held.

    Safe to repeat after a commit whose answer was lost.

    Raises:
        LeaseLost: none was; nothing is written.
    """
    matrix = {"snapshot": snapshot_id, "manifest": manifest, "sha256": manifest_sha256}
    holder = {"fence": claim.fence, "batch": claim.batch_id, "worker": claim.worker}
    recorded = connection.scalars(
        _RECORD,
        {
            **matrix,
            "fence": claim.fence,
            "worker": claim.worker,
            "lease": lease,
            "ids": [o.run_id for o in outcomes],
            "bits": [o.bit for o in outcomes],
            "members": [o.member_count for o in outcomes],
            "joined": [o.joined for o in outcomes],
            "gone": [o.left for o in outcomes],
            "nodes": [json.dumps(dict(o.node_counts)) for o in outcomes],
            "inputs": [o.inputs and json.dumps(o.inputs.to_json()) for o in outcomes],
            "inputs_sha256": [o.inputs and o.inputs.sha256 for o in outcomes],
        },
    ).all()
    if not recorded:
        given = {"ids": [o.run_id for o in outcomes], "fence": claim.fence, "manifest": manifest}
        recorded = connection.scalars(_RECORDED, given).all()
    if not recorded:
        raise LeaseLost
    connection.execute(
        _RECORD_BATCH, {**matrix, "batch": holder["batch"], "fence": holder["fence"]}
    )
    return frozenset(recorded)


def publish(
    connection: Connection, claim: Claim, *, policy: GatePolicy | None = None
) -> dict[int, str]:
    """Settle every evaluated run of `claim`; return the state of each of its runs that is settled.

    A version that differs too much from the one before, by `policy` and the segment's own gate, is held.

    Safe to repeat after a commit whose answer was lost: what is published under this fence stays and is
    reported again.

    Raises:
        LeaseLost: no run is held, or was settled, under this fence.
    """
    connection.execute(_LOCK_SEGMENTS, {"segments": sorted(r.segment_id for r in claim.runs)})
    rows = connection.execute(_EVALUATED, {"ids": claim.run_ids, "fence": claim.fence}).all()
    if rows:
        before = connection.scalars(_PUBLISHED, {"ids": claim.run_ids, "fence": claim.fence}).all()
        endings = decide_endings(
            [_evaluated(row, policy or GatePolicy()) for row in rows],
            published=before,
        )
        _settle(connection, claim, endings)
        published = [i for i, end in endings.items() if end.state is RunState.PUBLISHED]
        make_versions(connection, published, claim.worker)
        supersede_held(connection, list(endings), claim.worker)
        connection.execute(_NAME_VERSIONS, {"ids": claim.run_ids})
        close_batch(connection, claim)
    known = connection.execute(_SETTLED, {"ids": claim.run_ids, "fence": claim.fence}).all()
    if not any(row.state != RunState.PENDING for row in known):
        raise LeaseLost
    unsettled = (RunState.PENDING, RunState.RUNNING, RunState.EVALUATED)
    return {row.id: row.state for row in known if row.state not in unsettled}


def _settle(connection: Connection, claim: Claim, endings: Mapping[int, Ending]) -> None:
    for run_id, end in endings.items():
        if end.reason is not None and end.error is not None:
            move = Move(run_id=run_id, state=end.state, reason=end.reason)
            move_runs(connection, [move], fences=[claim.fence], actor=claim.worker, error=end.error)
    rest = {run_id: end for run_id, end in endings.items() if end.error is None}
    connection.execute(
        _SETTLE,
        {
            "ids": list(rest),
            "states": [end.state.value for end in rest.values()],
            "reasons": [end.reason and end.reason.value for end in rest.values()],
            "fence": claim.fence,
            "worker": claim.worker,
            "per_epoch": VERSIONS_PER_EPOCH,
        },
    )


def _evaluated(row: Row[Any], policy: GatePolicy) -> EvaluatedRun:
    change = Change(segment=row.segment, versions=row.versions, before=row.before, after=row.after)
    return EvaluatedRun(
        run_id=row.run_id,
        segment=row.segment,
        cancel_requested=row.cancel_requested,
        deleted=row.deleted,
        stale=row.stale,
        inputs=row.inputs,
        held=gate_trips(change, _gate(row.gate), policy),
    )


def _gate(stored: object) -> Gate | None:
    """Return the gate a document states; one that another release wrote does not open it."""
    if stored == "off":
        return None
    try:
        return Gate.model_validate(stored or {})
    except ValidationError:
        return Gate()


def supersede_held(connection: Connection, run_ids: Sequence[int], actor: str) -> None:
    """End the held runs that those of `run_ids` which were published, or are held, stand for."""
    connection.execute(_SUPERSEDE_HELD, {"ids": list(run_ids), "actor": actor})


def make_versions(connection: Connection, run_ids: Sequence[int], worker: str) -> None:
    """Make the versions of runs that were just published, and queue their deliveries."""
    if not run_ids:
        return
    runs = {"ids": list(run_ids)}
    for statement in (_VERSIONS, _POINTERS, _ADVANCE):
        connection.execute(statement, runs)
    for statement in (_SUPERSEDE_DELIVERIES, _QUEUE_DELIVERIES):
        connection.execute(statement, {**runs, "worker": worker})
