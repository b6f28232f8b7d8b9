"""Keeps the lease of one delivery alive, and says when the exporter must stop by itself."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Self, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from muster_core.clock import boottime
from muster_core.errors import LeaseLost, MusterError, PartUnavailable
from muster_core.exports.claim import ClaimedDelivery
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.delivery import heartbeat_delivery
from muster_core.storage.process import record_process

T = TypeVar("T")

log = structlog.get_logger()


class Interrupted(MusterError):
    """The delivery was stopped before its end, and can be resumed."""

    code = "interrupted"


class DeliveryCancelled(MusterError):
    """Somebody asked to cancel this delivery."""

    code = "cancelled"


class Lease:
    """A claim's lease, extended by a thread of its own so that slow work never loses it.

    The holder trusts it only until `lease - margin` after the last heartbeat that succeeded began: by the
    clock that also runs while the machine sleeps.
    """

    def __init__(
        self,
        database: Engine,
        claim: ClaimedDelivery,
        settings: Settings,
        *,
        claimed_at: float,
        stopping: Callable[[], bool],
    ) -> None:
        """Hold the lease of `claim`.

        Args:
            database: where heartbeats go.
            claim: what is held.
            settings: lease, heartbeat and margin.
            claimed_at: `boottime()` just before the claim.
            stopping: says whether the whole process shall end softly.
        """
        self._database = database
        self._claim = claim
        self._length = settings.lease
        margin = min(settings.trust_margin_seconds, settings.lease_seconds / 2)
        self._trusted_seconds = settings.lease_seconds - margin
        self._every = min(settings.heartbeat_seconds, self._trusted_seconds / 2)
        self._trusted_until = claimed_at + self._trusted_seconds
        self._stopping = stopping
        self._lost = False
        self._cancelled = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            LeaseLost: the lease is gone, or may be.
            DeliveryCancelled: somebody asked for it.
            Interrupted: the process shall end.
        """
        if self._lost or boottime() >= self._trusted_until:
            raise LeaseLost
        if self._cancelled:
            raise DeliveryCancelled
        if self._stopping():
            raise Interrupted

    def record(self, write: Callable[[Connection], T]) -> T:
        """Run `write` in a transaction, again while PostgreSQL is away and the lease is trusted.

        `write` is safe to repeat: the answer to a commit may have been lost.

        Raises:
            LeaseLost: the lease is gone, or PostgreSQL stayed away for too long.
        """
        wait = 0.2
        while True:
            try:
                with transaction(self._database) as connection:
                    return write(connection)
            except PartUnavailable as exc:
                if self._lost or boottime() + wait >= self._trusted_until:
                    raise LeaseLost from exc
                time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, no secret
                wait = min(wait * 2, 5.0)

    def _beat(self) -> None:
        while not self._over.wait(self._every):
            began = boottime()
            try:
                with transaction(self._database) as connection:
                    answer = heartbeat_delivery(connection, self._claim, self._length)
                    record_process(
                        connection,
                        name=self._claim.exporter,
                        kind="exporter",
                        doing=f"delivery {self._claim.id}",
                    )
            except PartUnavailable:
                log.warning("heartbeat.unanswered", delivery=self._claim.id)
                continue
            if not answer.held:
                self._lost = True
                return
            self._cancelled = answer.cancelled
            self._trusted_until = began + self._trusted_seconds
