"""Keeps the lease of a batch alive while its work goes on elsewhere, and stops the work when it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine

from muster_core.clock import boottime
from muster_core.errors import LeaseLost, MusterError, TransientError
from muster_core.settings import Settings
from muster_core.storage.claim import Claim
from muster_core.storage.database import transaction
from muster_core.storage.lease import cancelled_runs, heartbeat
from muster_core.telemetry import get_logger

#: How often progress is written and a stop is noticed, between heartbeats.
_TICK_SECONDS = 0.5
_SETTLE_SECONDS = 0.05
#: How often it is looked whether somebody cancelled a run.
_LOOK_SECONDS = 2.0
#: How long the others of a batch may still take once one of its runs was cancelled.
_PATIENCE_SECONDS = 8.0
#: How long the engine may take to answer after it was interrupted, before its connection is cut.
_ENGINE_SECONDS = 15.0


class Interruption(StrEnum):
    """Why a batch was stopped before its end."""

    LOST = "lost"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class Interrupted(TransientError):
    """The work was stopped before its end."""

    code = "interrupted"


class Lease:
    """The lease of one claim, renewed by a thread with a connection of its own until the block ends.

    The holder trusts its lease until `boottime` says that the last successful heartbeat began too long
    ago; that clock counts a suspended machine's sleep. Then, or when the database says that the fence is
    somebody else's, `interrupt` is called until the block ends, and nothing may be written any more.

    A batch that is stopped for another reason is settled by this thread at once: nobody waits for an engine
    that may not answer to the interrupt.
    """

    def __init__(
        self,
        database: Engine,
        claim: Claim,
        settings: Settings,
        *,
        began: float,
        interrupt: Callable[[], None],
        abandon: Callable[[], None],
        tick: Callable[[Connection], None],
        settle: Callable[[Connection, Interruption], None],
    ) -> None:
        """Take over `claim`, whose claiming began at `began` (boottime).

        `tick` is called now and then on the heartbeat's connection, to write progress; `settle` once, in a
        transaction, when the batch is stopped while it is held; `abandon` where an interrupt was no use.
        """
        self._database = database
        self._claim = claim
        self._lease = settings.lease
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._window = settings.lease_seconds - settings.trust_margin_seconds
        self._trusted_until = began + self._window
        self._interrupt = interrupt
        self._abandon = abandon
        self._tick = tick
        self._settle = settle
        self._settled_at: float | None = None
        self._limit = settings.run_limit_seconds
        self._ends_at: float | None = None
        self._looks_at = 0.0
        self._cancelled_at: float | None = None
        self._why: Interruption | None = None
        self._done = threading.Event()
        #: Set once the work is to end before its time.
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def interruption(self) -> Interruption | None:
        """Return why the work was stopped, None while it may go on."""
        return self._why

    @property
    def held(self) -> bool:
        """Whether the holder may still write."""
        return self._why is not Interruption.LOST and boottime() < self._trusted_until

    @property
    def settled(self) -> bool:
        """Whether the runs were settled here already, because the batch was stopped."""
        return self._settled_at is not None

    def limit(self) -> None:
        """Stop the batch if it goes on for longer than a run may from now on."""
        self._ends_at = boottime() + self._limit

    def check(self) -> None:
        """Let the holder begin something long.

        Raises:
            LeaseLost: the lease is lost, or too old to be trusted.
            Interrupted: somebody asked for a stop.
        """
        if not self.held:
            self.stop(Interruption.LOST)
            raise LeaseLost()
        if self._why is not None:
            raise Interrupted()

    def stop(self, why: Interruption) -> None:
        """Have the heartbeat thread interrupt the work; a lost lease outweighs every other reason."""
        if self._why is None or why is Interruption.LOST:
            self._why = why
        self.stopping.set()

    def _keep(self) -> None:
        try:
            self._beat_until_done()
        except Exception as exc:  # noqa: BLE001 - nothing may end this thread and leave the work running
            get_logger().error("heartbeat broke", error=type(exc).__name__, exc_info=True)
            self.stop(Interruption.LOST)
            self._interrupt()

    def _beat_until_done(self) -> None:
        due = boottime() + self._heartbeat_seconds
        while not self._done.wait(min(_TICK_SECONDS, self._heartbeat_seconds)):
            beats = boottime() >= due
            if self._ends_at is not None and boottime() >= self._ends_at:
                self.stop(Interruption.TIMED_OUT)
            if not self.settled and self._renew(beats) and beats:
                due = boottime() + self._heartbeat_seconds
            if not self.settled and not self.held:
                self.stop(Interruption.LOST)
            if self._settled_at is not None and boottime() > self._settled_at + _ENGINE_SECONDS:
                get_logger().error("engine does not answer to its interrupt, connection cut")
                self._abandon()
            # a heartbeat that waited for the settling transaction finds nothing held: that is the end
            if self._why is not None and not self._done.wait(_SETTLE_SECONDS):
                # again at every tick: what starts while the first call is on its way is stopped too
                self._interrupt()

    def _renew(self, beats: bool) -> bool:
        """Send the heartbeat where it is due, and progress; return whether the database answered."""
        began = boottime()
        settles: Interruption | None = None
        if self._why is Interruption.LOST:
            return False
        try:
            with transaction(self._database) as connection:
                if beats:
                    self._beat(connection)
                self._look(connection)
                settles = self._to_settle()
                if settles is not None:
                    self._settle(connection, settles)
                self._tick(connection)
        except MusterError as exc:
            # the trust window decides how long an unreachable database is borne
            get_logger().warning("heartbeat failed", error=exc.code)
            return False
        if settles is not None:
            self._settled_at = boottime()
        if beats:
            self._trusted_until = began + self._window
        return True

    def _beat(self, connection: Connection) -> None:
        answer = heartbeat(connection, self._claim, self._lease)
        if not answer.held:
            self.stop(Interruption.LOST)

    def _to_settle(self) -> Interruption | None:
        return None if self._why is Interruption.LOST else self._why

    def _look(self, connection: Connection) -> None:
        """Stop for a cancellation: of all runs at once, of some where the others do not end soon."""
        if self._why is not None or boottime() < self._looks_at:
            return
        self._looks_at = boottime() + _LOOK_SECONDS
        cancelled = cancelled_runs(connection, self._claim)
        if not cancelled:
            return
        if self._cancelled_at is None:
            self._cancelled_at = boottime()
        others = bool(set(self._claim.run_ids) - cancelled)
        if not others or boottime() >= self._cancelled_at + _PATIENCE_SECONDS:
            self.stop(Interruption.CANCELLED)
