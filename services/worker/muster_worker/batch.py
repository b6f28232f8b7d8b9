"""The way of one batch: prepare, pin the snapshot, evaluate in one engine job or two, record, publish.

Nothing is visible before the publish transaction. Whatever fails on the way leaves the last published
members as they are, and stray files that no manifest names.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import sqlalchemy
from pyspark.sql import SparkSession
from sqlalchemy import Connection

from muster_core.errors import (
    EngineUnavailable,
    LeaseLost,
    MusterError,
    PartUnavailable,
    TransientError,
)
from muster_core.kernel.failure import describe
from muster_core.kernel.share import shares_of
from muster_core.kernel.tally import Tally
from muster_core.lake.location import Lake
from muster_core.lake.place import batch_folder
from muster_core.rules.reference import references_of
from muster_core.runs.input import Inputs
from muster_core.runs.state import RunState
from muster_core.settings import Settings
from muster_core.storage.batch import (
    SnapshotRow,
    comparable_segments,
    get_snapshot,
    record_job,
    record_progress,
    record_seconds,
)
from muster_core.storage.database import transaction
from muster_core.storage.reference import referred_segments
from muster_core.storage.run import (
    Claim,
    ClaimedRun,
    Outcome,
    pin_snapshot,
    publish,
    record_evaluated,
    settle_skipped,
)
from muster_core.telemetry import get_logger
from muster_worker.client import USER, EngineClient
from muster_worker.evaluate.evaluator import Basis, Evaluated, Evaluator, Matrix
from muster_worker.evaluate.reference import References, Skipped
from muster_worker.lease import Interruption, Lease
from muster_worker.prepare.lease import ensure_prepared
from muster_worker.settlement import settle_broken, settle_guilty, settle_stopped

T = TypeVar("T")

#: Between two tries of a short transaction while PostgreSQL is away.
_RETRY_SECONDS = 0.25


class Batch:
    """One claim on its way to being published; used once."""

    def __init__(
        self,
        claim: Claim,
        *,
        database: sqlalchemy.Engine,
        client: EngineClient,
        settings: Settings,
        began: float,
    ) -> None:
        """Work on `claim`, whose claiming began at `began` (boottime)."""
        self._claim = claim
        self._database = database
        self._client = client
        self._settings = settings
        self._seconds: dict[str, float] = {}
        self._plan: str | None = None
        self._jobs = 0
        self._progress = self._written = (0, 0)
        self._session_is_suspect = False
        self._pause = threading.Event()
        self.lease = Lease(
            database,
            claim,
            settings,
            began=began,
            interrupt=client.interrupt,
            abandon=client.abandon,
            tick=self._write_progress,
            settle=self._settle_stopped,
        )

    def run(self) -> Mapping[int, str]:
        """Do the work and settle every run of the claim; return the state of each settled run.

        Never raises for what happens to the work: it is recorded on the runs. A lost lease writes nothing.

        Raises:
            LeaseLost: somebody else may hold the runs now.
        """
        try:
            with self.lease:
                states = self._work_and_settle()
        finally:
            # after the lease's thread has ended: it may be using the session
            if self._session_is_suspect:
                self._client.discard()
        self._note_seconds()
        get_logger().info("batch ended", runs=len(self._claim.runs), seconds=self._seconds)
        return states

    def _work_and_settle(self) -> Mapping[int, str]:
        try:
            return self._work()
        except MusterError as exc:
            return self._settle(exc)
        except Exception as exc:  # noqa: BLE001 - the runs must not wait for the lease to end
            get_logger().error("batch broke", error=describe(exc), exc_info=True)
            return self._settle(TransientError(f"The worker met {describe(exc)}."))

    def _work(self) -> Mapping[int, str]:
        self.lease.check()
        with self._stage("prepare"):
            snapshot = self._snapshot()
        self.lease.limit()
        with self._stage("evaluate"):
            evaluated = self._evaluate(snapshot)
        self._plan = evaluated.matrix.plan_sha256 if evaluated.matrix else None
        with self._stage("publish"):
            return self._publish(snapshot, evaluated)

    def _snapshot(self) -> SnapshotRow:
        claim = self._claim
        if claim.snapshot_id is not None:
            pinned = claim.snapshot_id
            return self._persist(lambda connection: get_snapshot(connection, pinned))
        prepared = ensure_prepared(
            self._database,
            lambda: self._session(None),
            self._settings,
            owner=claim.worker,
            progress=self._note_preparation,
            stop=self.lease.stopping,
        )

        def pin(connection: Connection) -> SnapshotRow:
            return get_snapshot(connection, pin_snapshot(connection, claim, prepared.id))

        return self._persist(pin)

    def _evaluate(self, snapshot: SnapshotRow) -> Evaluated:
        claim = self._claim
        evaluator = Evaluator(
            lake=Lake(self._settings.lake()),
            directory=batch_folder(claim.batch_id, claim.fence),
            basis=Basis(
                snapshot=snapshot.manifest,
                snapshot_sha256=snapshot.manifest_sha256,
                as_of=claim.as_of,
            ),
            begin_job=self._begin_job,
            progress=self._note_progress,
            references=self._references(snapshot),
            limits=self._settings.limits,
            task_memory=self._settings.task_bytes,
            tasks_in_flight=self._settings.tasks_in_flight,
        )
        try:
            return evaluator.evaluate(self._comparable(snapshot))
        finally:
            self._seconds["plan"] = evaluator.plan_seconds

    def _references(self, snapshot: SnapshotRow) -> References:
        """Look once how everything stands that the runs refer to; all parts of the batch go by that."""
        claim = self._claim
        names = {name for run in claim.runs for name in references_of(run.document)}
        referred = self._persist(
            lambda connection: referred_segments(connection, names, generation=snapshot.generation)
        )
        return References(as_of=claim.as_of, referred=referred, measures=claim.measures)

    def _comparable(self, snapshot: SnapshotRow) -> list[ClaimedRun]:
        """Return the runs, without their version before where it numbers customers otherwise."""
        segments = [run.segment_id for run in self._claim.runs]
        same = self._persist(
            lambda connection: comparable_segments(connection, segments, snapshot.generation)
        )
        return [
            run if run.segment_id in same else replace(run, previous=None)
            for run in self._claim.runs
        ]

    def _publish(self, snapshot: SnapshotRow, evaluated: Evaluated) -> Mapping[int, str]:
        for skipped in evaluated.skipped:
            self._skip(skipped)
        states: dict[int, str] = {s.run.run_id: RunState.SKIPPED for s in evaluated.skipped}
        # first what is good: whoever is guilty may have more attempts, and ends after the others
        if evaluated.matrix is not None:
            states |= self._publish_matrix(snapshot, evaluated.matrix, evaluated.inputs)
        for run, error in evaluated.guilty:
            states |= self._fail(run, error)
        return states

    def _publish_matrix(
        self, snapshot: SnapshotRow, matrix: Matrix, inputs: Mapping[int, Inputs]
    ) -> Mapping[int, str]:
        found = matrix.evaluation
        shares = shares_of(found.work)
        outcomes = [
            _outcome(
                run,
                found.bits[run.segment_id],
                found.tallies[run.segment_id],
                shares[run.segment_id],
                inputs.get(run.run_id),
            )
            for run in self._claim.runs
            if run.segment_id in found.bits
        ]
        self._persist(
            lambda connection: record_evaluated(
                connection,
                self._claim,
                snapshot_id=snapshot.id,
                manifest=matrix.manifest,
                manifest_sha256=matrix.manifest_sha256,
                outcomes=outcomes,
                lease=self._settings.lease,
            )
        )
        policy = self._settings.gate
        return self._persist(lambda connection: publish(connection, self._claim, policy=policy))

    def _fail(self, run: ClaimedRun, error: MusterError) -> Mapping[int, str]:
        get_logger().warning("segment failed", segment=run.name, error=error.code)
        return self._persist(
            lambda connection: settle_guilty(connection, self._claim, self._settings, run, error)
        )

    def _skip(self, skipped: Skipped) -> None:
        get_logger().info("segment skipped", segment=skipped.run.name, reason=skipped.reason)
        self._persist(
            lambda connection: settle_skipped(
                connection,
                self._claim,
                skipped.run.run_id,
                skipped.reason,
                skipped.error,
                skipped.inputs,
            )
        )

    def _settle(self, error: MusterError) -> Mapping[int, str]:
        """Settle what is still held after `error` stopped the batch."""
        claim = self._claim
        why = self.lease.interruption
        get_logger().warning("batch stopped", error=error.code, why=why)
        # what an interrupt or a death leaves behind in the engine is not worth finding out
        self._session_is_suspect = isinstance(error, EngineUnavailable) or why is not None
        if self.lease.settled:
            return {}
        if not self.lease.held:
            raise LeaseLost() from error
        if why is not None:
            self._persist(lambda connection: self._settle_stopped(connection, why))
            return {}
        return self._persist(
            lambda connection: settle_broken(
                connection, claim, self._settings, error, jobs=self._jobs
            )
        )

    def _settle_stopped(self, connection: Connection, why: Interruption) -> None:
        """Settle what is held of a batch that is stopped; from either thread."""
        settle_stopped(connection, self._claim, self._settings, why)

    def _session(self, job: str | None) -> SparkSession:
        spark = self._client.session()
        client = self._client
        self._persist(
            lambda connection: record_job(
                connection,
                self._claim,
                engine=f"{client.address} spark {client.version}",
                session=client.session_id,
                user=USER,
                job=job,
            )
        )
        return spark

    def _begin_job(self) -> SparkSession:
        self.lease.check()
        tag = f"muster-batch-{self._claim.batch_id}-{self._claim.fence}-{self._jobs + 1}"
        spark = self._session(tag)
        # only now: a job that found no engine says nothing about its segments
        self._jobs += 1
        spark.clearTags()
        spark.addTag(tag)
        get_logger().info("engine job begins", job=tag, session=self._client.session_id)
        return spark

    def _persist(self, step: Callable[[Connection], T]) -> T:
        """Run one short transaction, again while PostgreSQL is away and the lease can be trusted.

        Every step is safe to repeat: it compares fence and state.

        Raises:
            LeaseLost: the trust ended before PostgreSQL was back.
        """
        while True:
            if not self.lease.held:
                raise LeaseLost()
            try:
                with transaction(self._database) as connection:
                    return step(connection)
            except PartUnavailable as exc:
                get_logger().warning("database away", error=exc.code)
                self._pause.wait(_RETRY_SECONDS)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = time.monotonic() - began

    def _note_seconds(self) -> None:
        try:
            with transaction(self._database) as connection:
                record_seconds(connection, self._claim, self._seconds, plan=self._plan)
                self._write_progress(connection)
        except PartUnavailable as exc:
            # the runs are settled; durations are not worth waiting for
            get_logger().warning("durations not recorded", error=exc.code)

    def _note_preparation(self, _: str, done: int, total: int) -> None:
        self.lease.check()
        self._note_progress(total, done)

    def _note_progress(self, tasks: int, done: int) -> None:
        self._progress = (tasks, done)

    def _write_progress(self, connection: Connection) -> None:
        now = self._progress
        if now != self._written:
            record_progress(connection, self._claim, tasks=now[0], done=now[1])
            self._written = now


def _outcome(
    run: ClaimedRun, bit: int, tally: Tally, share: float, inputs: Inputs | None
) -> Outcome:
    return Outcome(
        run_id=run.run_id,
        bit=bit,
        member_count=tally.count,
        joined=tally.joined,
        left=tally.left,
        node_counts={
            "nodes": dict(tally.nodes),
            "running": list(tally.running),
            "work_share": share,
        },
        inputs=inputs,
    )
