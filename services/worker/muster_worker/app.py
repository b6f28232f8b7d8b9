"""The evaluator process: claims due runs and works on them, batch after batch, on one engine session."""

from __future__ import annotations

import threading
from datetime import timedelta

import sqlalchemy
import structlog

from muster_core.clock import boottime
from muster_core.errors import LeaseLost, MusterError, PartUnavailable
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.runs.state import RunState
from muster_core.settings import Settings
from muster_core.storage.batch import LeftOver, left_over_sessions
from muster_core.storage.database import transaction
from muster_core.storage.epoch import check_epoch
from muster_core.storage.process import WAITING, WITHOUT_ENGINE
from muster_core.storage.run import Claim, ClaimPolicy, claim_batch, release_unknown
from muster_core.telemetry import get_logger
from muster_worker.batch import Batch
from muster_worker.client import EngineClient
from muster_worker.engine.reach import Reach
from muster_worker.engine.session import interrupt_left_over
from muster_worker.evaluate.job import run_nothing
from muster_worker.lease import Interruption

#: Seconds an engine gets to answer while nothing is due: meanwhile nothing is claimed.
_WARM_UP_PATIENCE = 1.0


class Worker:
    """Claims and evaluates; `stop` may be called from a signal handler or another thread."""

    def __init__(self, *, database: sqlalchemy.Engine, settings: Settings, name: str) -> None:
        """Work under `name`, which is what runs, batches and events call this process."""
        self._database = database
        self._settings = settings
        self._name = name
        self._client = EngineClient(settings.engine_url)
        self._stopping = threading.Event()
        self._grace_over = threading.Event()
        self._warming = False
        self._reach = Reach(lambda: self._client.address)
        self._doing = WAITING
        self._batch: Batch | None = None
        self._interrupted: set[int] = set()
        self._answer_lost = False
        self._epoch_known = False

    @property
    def doing(self) -> str:
        """Return what this process does now; called by the thread that writes its signs of life."""
        if self._stopping.is_set():
            return "stopping"
        # at work the batch finds out by itself, and says so at its runs
        idle = self._doing == WAITING
        return WITHOUT_ENGINE if idle and self._reach.is_lost() else self._doing

    def work_once(self) -> bool:
        """Claim one batch and bring it to its end; return whether there was one.

        Safe at any time and any number of times: a hint that comes twice claims nothing the second time.

        Raises:
            PartUnavailable: PostgreSQL does not answer; what was claimed returns when its lease ends.
            EpochOutdated: PostgreSQL is another one than before.
        """
        if self._stopping.is_set():
            return False
        self._interrupt_left_over()
        began = boottime()
        claim = self._claim()
        if claim is None:
            self._warm_up()
            return False
        with structlog.contextvars.bound_contextvars(batch=claim.batch_id, fence=claim.fence):
            self._doing = f"batch {claim.batch_id} of {len(claim.runs)} runs"
            self._evaluate(claim, began)
            self._doing = WAITING
        return True

    def _claim(self) -> Claim | None:
        settings = self._settings
        policy = ClaimPolicy(
            limit=settings.batch_limit,
            concurrent=settings.concurrent_batches,
            ageing=timedelta(seconds=settings.ageing_seconds),
        )
        try:
            with transaction(self._database) as connection:
                if not self._epoch_known:
                    check_epoch(connection)
                if self._answer_lost:
                    release_unknown(connection, self._name)
                claim = claim_batch(
                    connection, worker=self._name, lease=settings.lease, policy=policy
                )
        except PartUnavailable:
            # the claim may have been committed: nobody would work on it until its lease ends
            self._answer_lost = True
            # the one that answers next may be another, promoted in its place
            self._epoch_known = False
            raise
        self._answer_lost = False
        self._epoch_known = True
        return claim

    def stop(self) -> None:
        """Claim nothing more; a batch that does not end within the grace is handed back."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        timer = threading.Timer(self._settings.stop_grace_seconds, self._give_up)
        timer.daemon = True
        timer.start()
        if self._warming:
            threading.Thread(target=self._client.interrupt, daemon=True).start()

    def close(self) -> None:
        """Release the engine session."""
        self._client.discard()

    def _warm_up(self) -> None:
        """Use the time in which nothing is due: the first batch finds an engine that has worked before."""
        if self._stopping.is_set() or self._client.lives():
            return
        self._warming = True
        try:
            run_nothing(self._client.session(timeout_seconds=_WARM_UP_PATIENCE))
        except MusterError as exc:
            # nothing is lost: it is tried at the next look, and a batch says for itself what is wrong
            get_logger().info("engine not warmed up", why=exc.code)
        else:
            get_logger().info("engine warmed up")
        finally:
            self._warming = False

    def _evaluate(self, claim: Claim, began: float) -> None:
        get_logger().info("batch claimed", runs=len(claim.runs), as_of=claim.as_of.isoformat())
        batch = self._batch = Batch(
            claim,
            database=self._database,
            client=self._client,
            settings=self._settings,
            began=began,
        )
        if self._grace_over.is_set():
            batch.lease.stop(Interruption.STOPPED)
        try:
            states = batch.run()
        except LeaseLost:
            get_logger().warning("lease lost, nothing written")
            return
        finally:
            self._batch = None
        if RunState.PUBLISHED in states.values():
            send_hint(self._settings, Hint.DELIVER)

    def _give_up(self) -> None:
        self._grace_over.set()
        batch = self._batch
        if batch is not None:
            batch.lease.stop(Interruption.STOPPED)

    def _interrupt_left_over(self) -> None:
        """Stop in the engine what workers left there whose batches were lost."""
        try:
            with transaction(self._database) as connection:
                lost = left_over_sessions(connection, self._client.address)
        except MusterError as exc:
            # the claim that follows says what is wrong
            get_logger().warning("left-over jobs not looked for", error=exc.code)
            return
        for left in lost:
            if left.batch_id not in self._interrupted:
                # once: a session that cannot be opened any more runs nothing
                self._interrupted.add(left.batch_id)
                self._interrupt_session(left)

    def _interrupt_session(self, left: LeftOver) -> None:
        try:
            interrupt_left_over(self._settings.engine_url(), left.session, left.user)
        except MusterError as exc:
            get_logger().info("left-over session is gone", left_over=left.batch_id, why=exc.code)
        else:
            get_logger().info("left-over job interrupted", left_over=left.batch_id)
