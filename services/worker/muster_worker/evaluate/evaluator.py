"""From claimed runs to a written matrix: one plan, one job or two, one manifest, whoever fails left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pyspark.sql import SparkSession

from muster_core.catalog.document import Catalog
from muster_core.errors import InvalidInput, MusterError, TerminalError
from muster_core.kernel.budget import cut
from muster_core.kernel.extent import Extent
from muster_core.kernel.failure import only_muster_errors
from muster_core.kernel.node import Threshold
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.share import work_of
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixManifest
from muster_core.lake.matrix import write_manifest
from muster_core.lake.store import Store
from muster_core.rules.check import Known, check_segment
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.measure import MeasureDocument
from muster_core.runs.freshness import NotFresh
from muster_core.runs.input import Inputs
from muster_core.storage.claim import ClaimedRun
from muster_core.telemetry import get_logger
from muster_worker.evaluate.combine import combine
from muster_worker.evaluate.contract import broken_contracts, leave_out_unfit
from muster_worker.evaluate.job import (
    Evaluation,
    Progress,
    TaskCrashed,
    number_of_tasks,
    run_job,
    run_rank_job,
    write_plan,
)
from muster_worker.evaluate.reference import References, Skipped
from muster_worker.evaluate.stage import evaluate_stages
from muster_worker.evaluate.task import TaskInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What every part of a batch is evaluated on: one snapshot, one instant."""

    snapshot: str
    snapshot_sha256: str
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A written matrix and what it holds; `plan_sha256` names several plans where the batch was halved."""

    manifest: str
    manifest_sha256: str
    plan_sha256: str
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What came of a batch: the matrix of those that succeeded, who failed alone, who was skipped."""

    matrix: Matrix | None
    guilty: list[tuple[ClaimedRun, MusterError]]
    skipped: list[Skipped] = field(default_factory=list)
    #: What each run used of other segments and of measures, by its id.
    inputs: Mapping[int, Inputs] = field(default_factory=dict)


def sort_out(
    runs: Sequence[ClaimedRun],
    catalog: Catalog,
    *,
    measures: Mapping[str, MeasureDocument] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[list[ClaimedRun], list[tuple[ClaimedRun, MusterError]]]:
    """Return the runs whose documents fit `catalog`, and the others with all their problems.

    Documents were checked when they were applied; the catalog may have changed since.
    """
    sound: list[ClaimedRun] = []
    guilty: list[tuple[ClaimedRun, MusterError]] = []
    known = Known(segments=None, measures=measures or {})
    for run in runs:
        try:
            with only_muster_errors():
                problems = check_segment(run.document, catalog, limits=limits, known=known)
        except TerminalError as exc:
            guilty.append((run, exc))
            continue
        if problems:
            guilty.append((run, InvalidInput(problems)))
        else:
            sound.append(run)
    return sound, guilty


@dataclass(slots=True, kw_only=True)
class Evaluator:
    """Evaluates the runs of one batch; used once.

    `begin_job` is called before every job: it lets it begin or raises, and gives the session.
    """

    lake: Lake
    directory: str
    basis: Basis
    begin_job: Callable[[], SparkSession]
    progress: Progress
    references: References
    limits: Limits = DEFAULT_LIMITS
    #: Bytes one task may take, and how many may be in flight; None: any number.
    task_memory: int | None = None
    tasks_in_flight: int | None = None
    #: Seconds spent on compiling plans and writing them, over all parts.
    plan_seconds: float = field(default=0.0, init=False)
    _tasks: int = field(default=0, init=False)
    #: What ranking jobs found, by the SHA-256 of their plan: parts of a halved batch share it.
    _thresholds: dict[str, tuple[Threshold, ...]] = field(default_factory=dict, init=False)

    def evaluate(self, runs: Sequence[ClaimedRun]) -> Evaluated:
        """Evaluate `runs`, those referred to first, together, and apart where that fails.

        Raises:
            TransientError: the engine, the lake's disk or the lease was lost.
            TerminalError: nothing could be evaluated, whichever segments were left out.
        """
        store = Store.open(self.lake, self.basis.snapshot, self.basis.snapshot_sha256)
        references = self.references
        sound, guilty = sort_out(
            runs, store.manifest.catalog, measures=self._measures(), limits=self.limits
        )
        references.lost |= {run.name: NotFresh.FAILED for run, _ in guilty}
        broken = broken_contracts(self.lake, store.manifest, self.basis.as_of)
        sound = leave_out_unfit(
            sound,
            broken,
            store.manifest.catalog,
            references,
            self.basis.as_of,
            measures=self._measures(),
            limits=self.limits,
        )
        staged = evaluate_stages(
            sound, references, lambda part, support: self._evaluate_part(store, part, support)
        )
        matrix = None
        if staged.results:
            plans = ",".join(plan for plan, _ in staged.results)
            whole = combine(self.lake, self.directory, [part for _, part in staged.results])
            matrix = self._write(whole, plans, runs)
        inputs = {run.run_id: references.inputs_of(run) for run in sound}
        return Evaluated(
            matrix=matrix,
            guilty=guilty + staged.guilty,
            skipped=references.skipped,
            inputs={run_id: found for run_id, found in inputs.items() if found is not None},
        )

    def _measures(self) -> dict[str, MeasureDocument]:
        return {name: found.document for name, found in self.references.measures.items()}

    def _evaluate_part(
        self, store: Store, runs: Sequence[ClaimedRun], support: Sequence[ClaimedRun]
    ) -> tuple[str, Evaluation]:
        """Evaluate `runs`, and along with them what they refer to; only their own bits are returned."""
        try:
            plan = self._plan(store, [*support, *runs])
            try:
                sha256, found = self._jobs(store, plan)
            except TaskCrashed:
                # the machine may have been short of memory; a segment is suspected only at the second time
                sha256, found = self._jobs(store, plan)
        except TerminalError as exc:
            get_logger().warning("part failed", runs=len(runs), error=exc.code, said=str(exc))
            raise
        own = {run.segment_id for run in runs}
        tables = store.manifest.tables
        rows = {name: tables[name].rows for name in plan.tables}
        work = work_of(plan, store.manifest.customers, rows)
        return sha256, replace(
            found,
            bits={segment: bit for segment, bit in found.bits.items() if segment in own},
            tallies={s: tally for s, tally in found.tallies.items() if s in own},
            work={segment: amount for segment, amount in work.items() if segment in own},
        )

    def _plan(self, store: Store, runs: Sequence[ClaimedRun]) -> Plan:
        began = time.monotonic()
        planned = [
            PlannedSegment(segment_id=run.segment_id, document=run.document, previous=run.previous)
            for run in runs
        ]
        with only_muster_errors():
            plan = compile_plan(
                planned,
                store.manifest.catalog,
                self.basis.as_of,
                stored=self.references.stored,
                measures=self._measures(),
                limits=self.limits,
            )
            # before a job begins: halving finds whose rules are too large without the engine's help
            names = {run.segment_id: run.name for run in runs}
            sizes = store.sizes(plan.tables)
            cut(plan, Extent.largest(sizes), self.task_memory, names)
        self.plan_seconds += time.monotonic() - began
        return plan

    def _jobs(self, store: Store, plan: Plan) -> tuple[str, Evaluation]:
        """Rank customers over all partitions first where the plan does; return the plan evaluated."""
        if plan.ranks:
            plan = plan.with_thresholds(self._rank(store, plan.rank_plan()))
        given = self._given(plan)
        partitions = store.manifest.partitions
        found = run_job(
            self.begin_job(),
            plan,
            given,
            partitions=partitions,
            tasks=self.tasks_in_flight,
            progress=self._counted(partitions),
        )
        return plan.sha256, found

    def _rank(self, store: Store, plan: Plan) -> tuple[Threshold, ...]:
        if plan.sha256 not in self._thresholds:
            partitions = store.manifest.partitions
            given = self._given(plan)
            self._thresholds[plan.sha256] = run_rank_job(
                self.begin_job(),
                plan,
                given,
                lake=self.lake,
                partitions=partitions,
                tasks=self.tasks_in_flight,
                progress=self._counted(partitions),
            )
        return self._thresholds[plan.sha256]

    def _counted(self, partitions: int) -> Progress:
        """Return what tells a job's progress on top of the jobs before it."""
        before = self._tasks
        self._tasks += number_of_tasks(partitions, self.tasks_in_flight)
        return lambda tasks, done: self.progress(before + tasks, before + done)

    def _given(self, plan: Plan) -> TaskInput:
        began = time.monotonic()
        path = write_plan(self.lake, self.directory, plan)
        self.plan_seconds += time.monotonic() - began
        return TaskInput(
            lake_url=self.lake.url,
            plan=path,
            plan_sha256=plan.sha256,
            snapshot=self.basis.snapshot,
            snapshot_sha256=self.basis.snapshot_sha256,
            directory=self.directory,
            memory=self.task_memory,
        )

    def _write(self, whole: Evaluation, plans: str, runs: Sequence[ClaimedRun]) -> Matrix:
        names = {run.segment_id: run.name for run in runs}
        manifest = MatrixManifest(
            snapshot=self.basis.snapshot,
            snapshot_sha256=self.basis.snapshot_sha256,
            as_of=self.basis.as_of.isoformat(),
            plan_sha256=plans,
            words=whole.words,
            segments={names[segment]: bit for segment, bit in whole.bits.items()},
            counts={names[segment]: tally.count for segment, tally in whole.tallies.items()},
            files=list(whole.files),
        )
        path, sha256 = write_manifest(self.lake, self.directory, manifest)
        return Matrix(manifest=path, manifest_sha256=sha256, plan_sha256=plans, evaluation=whole)
