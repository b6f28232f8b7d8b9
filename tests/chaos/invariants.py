"""What must hold in the control database and the lake whatever was killed: read everything, name violations.

The numbers are those of the reliability design: I1, I2, I3, I5, I6, I12, I14.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import MusterError
from muster_core.lake.location import Lake
from muster_core.lake.matrix import Matrix
from muster_core.lake.store import Store, verify
from muster_core.runs.state import ACTIVE, INITIAL, TRANSITIONS, UNCOUNTED, RunState

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the invariants speak of, as the control database has it now."""

    runs: Sequence[Row]
    events: Mapping[int, Sequence[Row]]
    versions: Sequence[Row]

    @classmethod
    def read(cls, connection: Connection) -> Facts:
        def rows(statement: str) -> list[Row]:
            return [dict(row) for row in connection.execute(sa.text(statement)).mappings()]

        events: dict[int, list[Row]] = defaultdict(list)
        for event in rows("SELECT * FROM run_event ORDER BY id"):
            events[event["run_id"]].append(event)
        return cls(
            runs=rows("SELECT * FROM refresh_run ORDER BY id"),
            events=events,
            versions=rows("""
                SELECT v.*, p.manifest, p.manifest_sha256, p.bit, s.manifest AS snapshot,
                       s.manifest_sha256 AS snapshot_sha256, r.fence AS run_fence, r.state
                  FROM membership_version v
                  JOIN membership_pointer p USING (segment_id, version)
                  JOIN snapshot s ON s.id = v.snapshot_id
                  JOIN refresh_run r ON r.id = v.run_id
                 ORDER BY v.segment_id, v.version"""),
        )


def violations(connection: Connection, lake: Lake) -> list[str]:
    """Return every violation, as one sentence each; empty means that all invariants hold."""
    facts = Facts.read(connection)
    return [
        *one_run_per_due_instant(facts),
        *complete_versions(facts, lake),
        *versions_without_gaps(facts),
        *published_by_the_last_fence(facts),
        *one_holder_at_a_time(facts),
        *bounded_attempts(facts),
        *legal_transitions(facts),
    ]


def unsettled(connection: Connection) -> int:
    """Return how many runs have not ended yet (I11: liveness)."""
    count: int = connection.execute(
        sa.text("""SELECT count(*) FROM refresh_run
                    WHERE state IN ('pending', 'running', 'evaluated')""")
    ).scalar_one()
    return count


def one_run_per_due_instant(facts: Facts) -> Iterator[str]:
    """I1: one run, and so at most one publication, for a segment and due instant."""
    seen: set[tuple[int, Any]] = set()
    for run in facts.runs:
        due = (run["segment_id"], run["due_at"])
        if due in seen:
            yield f"I1: segment {due[0]} has several runs due {due[1]}"
        seen.add(due)
    published = [version["run_id"] for version in facts.versions]
    if len(published) != len(set(published)):
        yield "I1: a run was published twice"
    for run in facts.runs:
        if (run["state"] == RunState.PUBLISHED) != (run["id"] in published):
            yield f"I1: run {run['id']} is {run['state']} but its version says otherwise"


def complete_versions(facts: Facts, lake: Lake) -> Iterator[str]:
    """I2: every file a version's manifest names is there, whole, once per partition, and counts right."""
    checked: dict[str, Matrix | None] = {}
    stores: dict[str, Store] = {}
    for version in facts.versions:
        path, sha256 = version["manifest"], version["manifest_sha256"]
        name = f"segment {version['segment_id']} version {version['version']}"
        try:
            if sha256 not in checked:
                checked[sha256] = None
                matrix = Matrix.open(lake, path, sha256)
                for file in matrix.manifest.files:
                    verify(lake, file)
                checked[sha256] = matrix
            snapshot = version["snapshot_sha256"]
            if snapshot not in stores:
                stores[snapshot] = Store.open(lake, version["snapshot"], snapshot)
                for prepared in stores[snapshot].manifest.profile:
                    verify(lake, prepared)
        except MusterError as exc:
            yield f"I2: {name}: {exc}"
            continue
        found = checked[sha256]
        if found is None:
            yield f"I2: {name}: its manifest is damaged"
            continue
        yield from _counted(name, version, found, stores[snapshot])


def _counted(name: str, version: Row, matrix: Matrix, store: Store) -> Iterator[str]:
    partitions = [file.partition for file in matrix.manifest.files]
    if sorted(partitions) != list(range(store.manifest.partitions)):
        yield f"I2: {name}: its matrix has the partitions {partitions}"
    sizes = {keys.partition: keys.ordinals for keys in store.manifest.keys}
    if any(file.rows != sizes.get(file.partition, 0) for file in matrix.manifest.files):
        yield f"I2: {name}: a matrix file has other rows than its partition has customers"
    members = sum(int(matrix.bits(version["bit"], number).sum()) for number in partitions)
    if members != version["member_count"]:
        yield f"I2: {name}: {members} members are stored, {version['member_count']} were counted"


def versions_without_gaps(facts: Facts) -> Iterator[str]:
    """I3: versions count 1 to n within an epoch, and each is due later than the one before."""
    before: Row | None = None
    for version in facts.versions:
        first = before is None or before["segment_id"] != version["segment_id"]
        expected = 1 if first or before is None else before["version"] + 1
        if version["version"] != expected:
            yield f"I3: segment {version['segment_id']}: {version['version']} follows {expected - 1}"
        if not first and before is not None and version["due_at"] <= before["due_at"]:
            yield f"I3: segment {version['segment_id']}: {version['version']} is not due later"
        before = version


def published_by_the_last_fence(facts: Facts) -> Iterator[str]:
    """I5: the fence that published is the last one the run was given."""
    for version in facts.versions:
        events = facts.events[version["run_id"]]
        granted = [event["fence"] for event in events if event["to_state"] == RunState.RUNNING]
        published = [event["fence"] for event in events if event["to_state"] == RunState.PUBLISHED]
        if not granted or published != [granted[-1]] or version["fence"] != granted[-1]:
            yield f"I5: run {version['run_id']}: fences {granted}, published under {published}"


def one_holder_at_a_time(facts: Facts) -> Iterator[str]:
    """I6: no moment had two active runs of one segment, nor two holders of one run."""
    segment_of = {run["id"]: run["segment_id"] for run in facts.runs}
    active: dict[int, int] = {}
    events = sorted((e for es in facts.events.values() for e in es), key=lambda e: e["id"])
    for event in events:
        run, segment = event["run_id"], segment_of[event["run_id"]]
        if event["to_state"] == RunState.RUNNING:
            if segment in active:
                yield f"I6: segment {segment}: runs {active[segment]} and {run} were active at once"
            active[segment] = run
        elif event["from_state"] in ACTIVE and event["to_state"] not in ACTIVE:
            active.pop(segment, None)


def bounded_attempts(facts: Facts) -> Iterator[str]:
    """I12: attempts are counted at the claim, and end."""
    for run in facts.runs:
        events = facts.events[run["id"]]
        claims = sum(event["to_state"] == RunState.RUNNING for event in events)
        handed_back = sum(event["reason"] in UNCOUNTED for event in events)
        if run["attempt"] > run["max_attempts"]:
            yield f"I12: run {run['id']} was tried {run['attempt']} times"
        if run["attempt"] != claims - handed_back:
            yield f"I12: run {run['id']} counts {run['attempt']} attempts, its events {claims}"


def legal_transitions(facts: Facts) -> Iterator[str]:
    """I14: the events of a run, one per step, lead through the state machine to where it is."""
    for run in facts.runs:
        state: str | None = None
        fence = 0
        for event in facts.events[run["id"]]:
            before, after = event["from_state"], event["to_state"]
            legal = after in (INITIAL if before is None else TRANSITIONS[RunState(before)])
            if before != state or not legal:
                yield f"I14: run {run['id']}: {before} -> {after} while it was {state}"
            if after == RunState.RUNNING and not (event["fence"] or 0) > fence:
                yield f"I14: run {run['id']}: claimed under fence {event['fence']} after {fence}"
            if after != RunState.RUNNING and before in ACTIVE and event["fence"] != fence:
                yield f"I14: run {run['id']}: {after} under fence {event['fence']}, not {fence}"
            state, fence = after, event["fence"] or fence
        if state != run["state"]:
            yield f"I14: run {run['id']} is {run['state']}, its events end with {state}"
