"""Evaluating documents that need not be saved, in this process: the kernels over the prepared store, no engine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.errors import Conflict, InvalidInput
from muster_core.kernel.budget import cut
from muster_core.kernel.evaluate import PartitionResult, evaluate
from muster_core.kernel.extent import Extent
from muster_core.kernel.failure import only_muster_errors
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.rank import thresholds_of
from muster_core.lake.manifest import Pointer
from muster_core.lake.store import Store
from muster_core.rules.document import SegmentDocument
from muster_core.rules.limit import Limits, check_instant
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.reference import references_of
from muster_core.storage.database import database_time
from muster_core.storage.measure import list_measures
from muster_core.storage.reference import Referred, referred_segments
from muster_core.storage.segment import list_segments
from muster_core.storage.snapshot import read_head

#: Evaluates partitions, whoever asks: so many at the same time in this process, each with the memory of one task.
_POOL = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="evaluate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A segment that was referred to: the version whose members were used.

    `version` is None where it has none yet: then its saved rules are evaluated along.
    """

    segment: str
    version: int | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What documents are evaluated on: a snapshot, an instant, and what they refer to."""

    store: Store
    #: The snapshot's id.
    snapshot: int
    as_of: datetime
    limits: Limits
    #: Bytes the evaluation of one partition may take.
    memory: int
    measures: Mapping[str, MeasureDocument] = field(default_factory=dict)
    #: Members of segments that documents refer to, by name.
    stored: Mapping[str, Pointer] = field(default_factory=dict)
    #: Segments that are referred to and have no members yet.
    support: Sequence[SegmentDocument] = ()
    used: Sequence[Used] = ()

    def plan(
        self, documents: Sequence[SegmentDocument], *, previous: Pointer | None = None
    ) -> Plan:
        """Compile documents; the first one's members are counted against `previous`.

        A document's place is its segment's id. Those that are evaluated along stand behind.

        Raises:
            InvalidInput: a document does not fit the snapshot's catalog.
            TaskMemoryExceeded: a document needs more memory than the evaluation of a partition may take.
        """
        planned = [
            PlannedSegment(
                segment_id=place, document=document, previous=None if place else previous
            )
            for place, document in enumerate([*documents, *self.support])
        ]
        plan = compile_plan(
            planned,
            self.store.manifest.catalog,
            self.as_of,
            stored=self.stored,
            measures=self.measures,
            limits=self.limits,
        )
        names = {one.segment_id: one.document.name for one in planned}
        cut(plan, Extent.largest(self.store.sizes(plan.tables)), self.memory, names)
        return plan

    def evaluate(self, plan: Plan, numbers: Sequence[int]) -> list[PartitionResult]:
        """Return what `plan` finds in the partitions of these numbers, in their order.

        Customers are ranked over all partitions first where the plan does.

        Raises:
            StoreDamaged: a file of the snapshot cannot be read.
            TerminalError: evaluation failed; no text of the cause is told, which may quote a member's data.
        """
        with only_muster_errors():
            plan = self.ranked(plan)
            partitions = [self.store.partition(number) for number in numbers]
            tasks = [_POOL.submit(evaluate, plan, p, memory=self.memory) for p in partitions]
            return [task.result() for task in tasks]

    def ranked(self, plan: Plan) -> Plan:
        """Return the plan with the thresholds of its ranks, over all customers."""
        if not plan.ranks or plan.thresholds:
            return plan
        every = [self.store.partition(n) for n in range(self.store.manifest.partitions)]
        return plan.with_thresholds(thresholds_of(plan, every, self.memory))

    def rows(self, plan: Plan) -> int:
        """Return how many rows of related tables, and customers, a plan looks through at most."""
        manifest = self.store.manifest
        return manifest.customers + sum(manifest.tables[name].rows for name in plan.tables)


def open_ground(
    workspace: Workspace,
    connection: Connection,
    document: SegmentDocument,
    *,
    measures: Mapping[str, MeasureDocument] | None = None,
    as_of: datetime | None = None,
) -> Ground:
    """Return what `document` would be evaluated on if it were refreshed now on the data as it is prepared.

    `measures` come before the saved ones; `as_of` is by default the database's time.

    Raises:
        Conflict: nothing has been prepared yet.
        InvalidInput: `as_of` lies outside the years that rules know.
        StoreDamaged: the snapshot in use cannot be read.
    """
    check_instant(as_of)
    snapshot, store = opened_head(workspace, connection)
    saved = {m.name: m.document for m in list_measures(connection) if m.document is not None}
    ground = Ground(
        store=store,
        snapshot=snapshot,
        as_of=as_of or database_time(connection),
        limits=workspace.settings.limits,
        memory=workspace.settings.task_bytes,
        measures={**saved, **(measures or {})},
    )
    return with_references(connection, ground, document)


def opened_head(workspace: Workspace, connection: Connection) -> tuple[int, Store]:
    """Return the id of the snapshot in use, and the snapshot, opened.

    Raises:
        Conflict: nothing has been prepared yet.
        StoreDamaged: its manifest cannot be read.
    """
    head = read_head(connection).snapshot
    if head is None:
        required_catalog(connection)
        raise Conflict(
            "Nothing has been prepared yet.",
            hint="Refresh a segment once; that prepares the data.",
        )
    return head.id, Store.open(workspace.lake, head.manifest, head.manifest_sha256)


def with_references(connection: Connection, ground: Ground, document: SegmentDocument) -> Ground:
    """Return the ground with what `document` refers to, however many steps away."""
    generation = ground.store.manifest.generation
    saved: dict[str, SegmentDocument] | None = None
    stored: dict[str, Pointer] = {}
    support: dict[str, SegmentDocument] = {}
    used: dict[str, Used] = {}
    waiting = sorted(references_of(document) - {document.name})
    while waiting:
        found = referred_segments(connection, waiting, generation=generation)
        following: set[str] = set()
        for name in waiting:
            known = found.get(name)
            if known is not None and known.pointer is not None and known.standing.readable:
                stored[name] = known.pointer
                used[name] = _used(known)
                continue
            if saved is None:
                saved = {
                    r.name: r.document
                    for r in list_segments(connection)
                    if r.document is not None and r.state == "active"
                }
            if name in saved:
                support[name] = saved[name]
                used[name] = Used(segment=name, version=None, as_of=ground.as_of)
                following |= references_of(saved[name])
        waiting = sorted(following - stored.keys() - support.keys() - {document.name})
    return replace(ground, stored=stored, support=list(support.values()), used=list(used.values()))


def _used(known: Referred) -> Used:
    return Used(segment=known.name, version=known.standing.version, as_of=known.as_of)


def not_prepared(problems: InvalidInput) -> Conflict:
    """Return the error for a document that fits the catalog in use, but not yet the prepared data."""
    return Conflict(
        f"The prepared data does not fit the catalog in use yet: {problems.listed(3)}.",
        hint="Refresh a segment once; that prepares the data by the catalog in use.",
    )
