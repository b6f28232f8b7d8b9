"""The beat scheduler: plans what is due, takes back what was abandoned, repeats hints that may be lost.

Celery's beat drives it, but none of its entries or files: due instants live in PostgreSQL, so any number of
schedulers may run, and one that is killed at any point loses nothing.
"""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Any

from celery.beat import Scheduler
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from muster_core.errors import TransientError
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.settings import Settings
from muster_core.storage.cleanup import clean_up_daily
from muster_core.storage.database import open_database, transaction
from muster_core.storage.delivery import reap_deliveries
from muster_core.storage.health import CANARY_SECONDS
from muster_core.storage.planning import WaitingWork, schedule_due, waiting_work
from muster_core.storage.process import (
    forget_processes,
    process_name,
    record_process,
    remove_process,
)
from muster_core.storage.refresh import close_refreshes
from muster_core.storage.run import Recovery, expire_held, reap
from muster_core.telemetry import get_logger
from muster_scheduler.alert import AlertSender
from muster_scheduler.arrival import ArrivalWatch
from muster_scheduler.collection import CollectionWatch

#: A process not heard of for this long is forgotten.
_FORGET_AFTER = timedelta(hours=1)
#: Between two looks whether it is time for the daily clean-up.
_CLEANUP_LOOK_SECONDS = 60.0
#: The shortest sleep, so that a schedule that cannot be planned now does not spin.
_SHORTEST_SLEEP = 0.05

_LOG = get_logger()


class DueScheduler(Scheduler):  # type: ignore[misc]
    """Celery's scheduler interface over the control database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._settings = Settings()
        self._name = process_name("scheduler")
        self._database: Engine | None = None
        self._alerts: AlertSender | None = None
        self._arrival: ArrivalWatch | None = None
        self._collection: CollectionWatch | None = None
        self._swept_at = self._canary_at = self._cleaned_at = -float("inf")
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Have no entries: what is due is in the database."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Do everything that is due and return how many seconds to sleep; no outage ends it."""
        try:
            waiting = self._work(self._connected())
        except TransientError as exc:
            _LOG.warning("tick put off", cause=exc.code, error=str(exc))
            return random.uniform(0.5, self._interval)  # noqa: S311
        except SQLAlchemyError as exc:
            # A schema in the middle of a migration, a full disk: look again.
            _LOG.error("tick failed", cause=type(exc).__name__)
            return self._interval
        return self._sleep(waiting)

    def close(self) -> None:
        """Sign off, if the database answers."""
        if self._database is None:
            return
        if self._alerts is not None:
            self._alerts.close()
        if self._arrival is not None:
            self._arrival.close()
        if self._collection is not None:
            self._collection.close()
        try:
            with transaction(self._database) as connection:
                remove_process(connection, self._name)
        except TransientError as exc:
            _LOG.warning("not signed off", cause=exc.code)
        self._database.dispose()

    @property
    def _interval(self) -> float:
        return min(self._settings.sweep_seconds, self._settings.reaper_seconds)

    def _connected(self) -> Engine:
        if self._database is None:
            # Read again: the parts may have been started, and their addresses written, after this process.
            self._settings = Settings()
            self._database = open_database(
                self._settings.database(), application=self._name, pool_size=3
            )
            self._alerts = AlertSender(self._database, self._settings)
            self._alerts.start()
            self._arrival = ArrivalWatch(self._database, self._settings, name=self._name)
            self._arrival.start()
            self._collection = CollectionWatch(self._database, self._settings, name=self._name)
            self._collection.start()
        return self._database

    def _work(self, database: Engine) -> WaitingWork:
        planned = self._plan(database)
        if time.monotonic() - self._swept_at >= self._interval * 0.9:
            self._take_back(database)
            self._swept_at = time.monotonic()
        with transaction(database) as connection:
            waiting = waiting_work(connection)
        # a hint now and then although nothing waits: that it is consumed shows that the way is open
        canary = time.monotonic() - self._canary_at >= CANARY_SECONDS
        if canary:
            self._canary_at = time.monotonic()
        if planned or waiting.runs or canary:
            send_hint(self._settings, Hint.REFRESH)
        if waiting.deliveries or canary:
            send_hint(self._settings, Hint.DELIVER)
        return waiting

    def _plan(self, database: Engine) -> int:
        runs, more = 0, True
        while more:
            with transaction(database) as connection:
                planned = schedule_due(
                    connection, self._name, max_attempts=self._settings.max_attempts
                )
            runs, more = runs + planned.runs, planned.more
            if planned.runs or planned.misfires or planned.broken:
                _LOG.info(
                    "planned",
                    runs=planned.runs,
                    misfires=planned.misfires,
                    broken=planned.broken,
                )
        return runs

    def _take_back(self, database: Engine) -> None:
        recovery = Recovery(
            at_once=self._settings.recovery_batches,
            pause=timedelta(seconds=self._settings.reaper_seconds),
        )
        with transaction(database) as connection:
            reaped = reap(
                connection, actor=self._name, backoff=self._settings.backoff, recovery=recovery
            )
        if reaped.batches:
            _LOG.warning(
                "leases ended",
                batches=list(reaped.batches),
                requeued=reaped.requeued,
                failed=reaped.failed,
            )
        after = timedelta(days=self._settings.held_days)
        with transaction(database) as connection:
            expired = expire_held(connection, after=after, actor=self._name)
        if expired:
            _LOG.warning("held versions expired", runs=expired)
        with transaction(database) as connection:
            deliveries = reap_deliveries(connection, actor=self._name)
        if deliveries.returned or deliveries.failed:
            _LOG.warning(
                "deliveries taken back", returned=deliveries.returned, failed=deliveries.failed
            )
        with transaction(database) as connection:
            ended = close_refreshes(connection)
        if ended:
            _LOG.info("system refreshes ended", refreshes=ended)
        if time.monotonic() - self._cleaned_at >= _CLEANUP_LOOK_SECONDS:
            self._clean_up(database)
            self._cleaned_at = time.monotonic()
        with transaction(database) as connection:
            record_process(connection, name=self._name, kind="scheduler")
            forget_processes(connection, _FORGET_AFTER)

    def _clean_up(self, database: Engine) -> None:
        with transaction(database) as connection:
            cleaned = clean_up_daily(connection, self._settings)
        if cleaned is not None and cleaned.found:
            _LOG.info(
                "cleaned up",
                segments=len(cleaned.names("segment")),
                measures=len(cleaned.names("measure")),
            )

    def _sleep(self, waiting: WaitingWork) -> float:
        if waiting.next_due_in is None:
            return self._interval
        return max(_SHORTEST_SLEEP, min(self._interval, waiting.next_due_in.total_seconds()))
