"""From claimed runs to a written matrix: one plan, one job, one manifest, whoever fails left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import SparkSession

from muster_core.catalog.document import Catalog
from muster_core.errors import InvalidInput, MusterError, TerminalError
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixManifest
from muster_core.lake.matrix import write_manifest
from muster_core.lake.store import Store
from muster_core.rules.check import check_segment
from muster_core.storage.claim import ClaimedRun
from muster_core.telemetry import get_logger
from muster_worker.evaluate.combine import combine
from muster_worker.evaluate.failure import only_muster_errors
from muster_worker.evaluate.halving import halve
from muster_worker.evaluate.job import (
    Evaluation,
    Progress,
    TaskCrashed,
    plan_path,
    run_job,
    write_plan,
)
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
    """What came of a batch: the matrix of those that succeeded, and who failed alone."""

    matrix: Matrix | None
    guilty: list[tuple[ClaimedRun, MusterError]]


def sort_out(
    runs: Sequence[ClaimedRun], catalog: Catalog
) -> tuple[list[ClaimedRun], list[tuple[ClaimedRun, MusterError]]]:
    """Return the runs whose documents fit `catalog`, and the others with all their problems.

    Documents were checked when they were applied; the catalog may have changed since.
    """
    sound: list[ClaimedRun] = []
    guilty: list[tuple[ClaimedRun, MusterError]] = []
    for run in runs:
        try:
            with only_muster_errors():
                problems = check_segment(run.document, catalog)
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
    #: Seconds spent on compiling plans and writing them, over all parts.
    plan_seconds: float = field(default=0.0, init=False)
    _tasks: int = field(default=0, init=False)

    def evaluate(self, runs: Sequence[ClaimedRun]) -> Evaluated:
        """Evaluate `runs` together, and apart where that fails.

        Raises:
            TransientError: the engine, the lake's disk or the lease was lost.
            TerminalError: nothing could be evaluated, whichever segments were left out.
        """
        store = Store.open(self.lake, self.basis.snapshot, self.basis.snapshot_sha256)
        sound, guilty = sort_out(runs, store.manifest.catalog)
        if not sound:
            return Evaluated(matrix=None, guilty=guilty)
        halved = halve(sound, lambda part: self._evaluate_part(store, part))
        guilty += halved.guilty
        if not halved.results:
            return Evaluated(matrix=None, guilty=guilty)
        plans = ",".join(plan for plan, _ in halved.results)
        whole = combine(self.lake, self.directory, [part for _, part in halved.results])
        return Evaluated(matrix=self._write(whole, plans, runs), guilty=guilty)

    def _evaluate_part(self, store: Store, runs: Sequence[ClaimedRun]) -> tuple[str, Evaluation]:
        try:
            plan = self._plan(store, runs)
            try:
                return plan.sha256, self._job(store, plan)
            except TaskCrashed:
                # the machine may have been short of memory; a segment is suspected only at the second time
                return plan.sha256, self._job(store, plan)
        except TerminalError as exc:
            get_logger().warning("part failed", runs=len(runs), error=exc.code, said=str(exc))
            raise

    def _plan(self, store: Store, runs: Sequence[ClaimedRun]) -> Plan:
        began = time.monotonic()
        planned = [
            PlannedSegment(segment_id=run.segment_id, document=run.document, previous=run.previous)
            for run in runs
        ]
        with only_muster_errors():
            plan = compile_plan(planned, store.manifest.catalog, self.basis.as_of)
        write_plan(self.lake, plan)
        self.plan_seconds += time.monotonic() - began
        return plan

    def _job(self, store: Store, plan: Plan) -> Evaluation:
        given = TaskInput(
            lake_url=self.lake.url,
            plan=plan_path(plan),
            plan_sha256=plan.sha256,
            snapshot=self.basis.snapshot,
            snapshot_sha256=self.basis.snapshot_sha256,
            directory=self.directory,
        )
        partitions = store.manifest.partitions
        before = self._tasks
        self._tasks += partitions
        return run_job(
            self.begin_job(),
            plan,
            given,
            partitions=partitions,
            progress=lambda tasks, done: self.progress(before + tasks, before + done),
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
