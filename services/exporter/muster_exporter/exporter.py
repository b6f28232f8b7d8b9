"""The exporter's work: claim a delivery, deliver it, settle it, until nothing is left to deliver."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, Engine

from muster_core.clock import boottime
from muster_core.errors import (
    LeaseLost,
    MusterError,
    TargetGone,
    TargetUnavailable,
    TransientError,
)
from muster_core.exports.claim import Chunk, ClaimedDelivery, Refused
from muster_core.exports.document import parse_export
from muster_core.exports.erasure import ClaimedRemoval
from muster_core.exports.state import DeliveryState
from muster_core.lake.location import Lake
from muster_core.runs.backoff import Backoff
from muster_core.security.erasure import open_erased
from muster_core.settings import Settings
from muster_core.storage.connection import answer_test, note_outcome, take_test
from muster_core.storage.database import transaction
from muster_core.storage.delivery import (
    cancel_delivery,
    checkpoint_chunk,
    claim_delivery,
    fail_delivery,
    finish_delivery,
    release_delivery,
)
from muster_core.storage.epoch import check_epoch
from muster_core.storage.erasure import fail_removal, finish_removal, take_removal
from muster_core.storage.export_request import queue_due_exports
from muster_core.storage.process import record_process, remove_process
from muster_exporter.lease import DeliveryCancelled, Interrupted, Lease
from muster_exporter.opening import open_target, probe, send
from muster_exporter.removal import remove
from muster_exporter.version import Receipt, Version

log = structlog.get_logger()


class Exporter:
    """One exporter process; any number of them may run."""

    def __init__(
        self,
        database: Engine,
        settings: Settings,
        *,
        name: str,
        stopping: Callable[[], bool] = lambda: False,
        hints: Callable[[], int] = lambda: 0,
    ) -> None:
        """Deliver from the lake of `settings` under the process name `name`.

        When `stopping` says so, the delivery in hand goes back to the queue, its attempt not counted.
        `hints` says how many hints came.
        """
        self._database = database
        self._settings = settings
        self._name = name
        self._stopping = stopping
        self._epoch_known = False
        self._hints = hints
        self._known_hints = 0
        self._backoff = Backoff(
            first=timedelta(seconds=settings.backoff_seconds),
            longest=timedelta(seconds=settings.backoff_max_seconds),
        )

    def sign_on(self) -> None:
        """Tell the others that this process is there."""
        hints = self._hints()
        with transaction(self._database) as connection:
            record_process(
                connection, name=self._name, kind="exporter", hinted=hints > self._known_hints
            )
        self._known_hints = hints

    def sign_off(self) -> None:
        """Tell the others that this process ends in order."""
        with transaction(self._database) as connection:
            remove_process(connection, self._name)

    def work(self) -> bool:
        """Take one delivery and settle it; return whether there was one.

        Safe to call at any time and as often as one likes: the queue in PostgreSQL decides.

        Raises:
            PartUnavailable: PostgreSQL does not answer.
            EpochOutdated: PostgreSQL is another one than before.
        """
        task = self.take()
        if task is None:
            return False
        task()
        return True

    def take(self) -> Callable[[], None] | None:
        """Take one delivery, or one test of a connection, and return what does it; None where nothing waits.

        What is returned settles what it took, whatever happens, and may be called in any thread.

        Raises:
            PartUnavailable: PostgreSQL does not answer.
            EpochOutdated: PostgreSQL is another one than before.
        """
        self.sign_on()
        claimed_at = boottime()
        with transaction(self._database) as connection:
            if not self._epoch_known:
                check_epoch(connection)
            queue_due_exports(connection)
            asked = take_test(connection)
            removal = claim = None
            if asked is None:
                removal = take_removal(connection, lease=self._settings.lease)
            if asked is None and removal is None:
                claim = claim_delivery(connection, exporter=self._name, lease=self._settings.lease)
        self._epoch_known = True
        if asked is not None:
            return partial(self._try_connection, asked)
        if removal is not None:
            return partial(self._remove, removal)
        return None if claim is None else partial(self._hold, claim, claimed_at)

    def _hold(self, claim: ClaimedDelivery, claimed_at: float) -> None:
        """Deliver under a lease."""
        names = {"delivery": claim.id, "export": claim.export, "segment": claim.segment}
        with structlog.contextvars.bound_contextvars(**names, version=claim.version):
            log.info("delivery.claimed", attempt=claim.attempt, resumed_files=len(claim.chunks))
            with Lease(
                self._database,
                claim,
                self._settings,
                claimed_at=claimed_at,
                stopping=self._stopping,
            ) as lease:
                try:
                    self._deliver(claim, lease)
                except LeaseLost:
                    log.warning("delivery.lease_lost")

    def _try_connection(self, asked: int) -> None:
        """Try a connection that somebody asked to be tried, and answer."""
        error: MusterError | None = None
        try:
            probe(self._database, self._settings, asked)
        except MusterError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - told to whoever asked; only its place is
            error = _unexpected(exc)
        with transaction(self._database) as connection:
            answer_test(connection, asked, error)
        log.info("connection.tried", connection=asked, error=None if error is None else error.code)

    def _remove(self, claim: ClaimedRemoval) -> None:
        """Tell a destination that a customer was erased; who it is stands in no log."""
        error: MusterError
        try:
            rows, location = remove(self._database, self._settings, claim)
        except MusterError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - translated and recorded
            error = _unexpected(exc)
        else:
            with transaction(self._database) as connection:
                finish_removal(connection, claim, rows=rows, location=location)
            log.info("removal.acknowledged", erasure=claim.erasure, export=claim.document.name)
            return
        with transaction(self._database) as connection:
            fail_removal(connection, claim, error, backoff=self._backoff)
        log.warning(
            "removal.failed",
            erasure=claim.erasure,
            export=claim.document.name,
            error_class=error.code,
            error=str(error),
        )

    def _deliver(self, claim: ClaimedDelivery, lease: Lease) -> None:
        try:
            document = parse_export(claim.document)
            opened = open_target(self._database, self._settings, claim, document)
            erased = open_erased(claim.erased, self._settings.keys)
            version = Version.open(claim, document, Lake(self._settings.lake()), erased)
            receipt = send(
                version,
                opened,
                self._settings,
                check=lease.check,
                acknowledge=lambda chunk, refused=(): _acknowledge(lease, claim, chunk, refused),
            )
        except LeaseLost:
            raise
        except Interrupted:
            lease.record(lambda connection: release_delivery(connection, claim))
            log.info("delivery.released")
        except DeliveryCancelled:
            lease.record(lambda connection: cancel_delivery(connection, claim))
            log.info("delivery.cancelled")
        except MusterError as error:
            self._fail(claim, lease, error)
        except Exception as error:  # noqa: BLE001 - translated and recorded; one fault ends one delivery
            self._fail(claim, lease, _unexpected(error))
        else:
            self._finish(claim, lease, receipt, version)

    def _finish(
        self, claim: ClaimedDelivery, lease: Lease, receipt: Receipt, version: Version
    ) -> None:
        def write(connection: Connection) -> None:
            finish_delivery(
                connection,
                claim,
                rows=receipt.rows,
                size=receipt.size,
                location=receipt.location,
                counts=version.counts if version.mode.tells_changes else None,
            )
            _note(connection, claim, None)

        lease.record(write)
        log.info("delivery.delivered", rows=receipt.rows, files=receipt.files, kept=receipt.kept)

    def _fail(self, claim: ClaimedDelivery, lease: Lease, error: MusterError) -> None:
        def write(connection: Connection) -> DeliveryState:
            state = fail_delivery(connection, claim, error, backoff=self._backoff)
            _note(connection, claim, error)
            return state

        state = lease.record(write)
        log.warning("delivery.failed", error_class=error.code, error=str(error), state=state)


def _note(connection: Connection, claim: ClaimedDelivery, error: MusterError | None) -> None:
    """Count for the connection how the delivery went; what is not its fault is not counted."""
    if claim.connection_id is None:
        return
    if error is None:
        note_outcome(connection, claim.connection_id, transient_failure=False)
    elif isinstance(error, TargetGone):
        note_outcome(connection, claim.connection_id, transient_failure=False, gone=str(error))
    elif isinstance(error, TargetUnavailable):
        note_outcome(connection, claim.connection_id, transient_failure=True)


def _acknowledge(
    lease: Lease, claim: ClaimedDelivery, chunk: Chunk, refused: Sequence[Refused]
) -> None:
    lease.record(lambda connection: checkpoint_chunk(connection, claim, chunk, refused))


def _unexpected(error: Exception) -> TransientError:
    """Return an error for a fault nobody foresaw: its text may hold member data, so only its place is told."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
    return TransientError(f"The exporter failed with {type(error).__name__} at {place}.")
