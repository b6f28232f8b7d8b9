"""Collects once in a while what nothing needs any more, by whichever scheduler looks first."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from muster_core.collection.collect import Collection, collect
from muster_core.errors import MusterError
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_core.telemetry import get_logger

#: Between two looks whether it is time.
PAUSE = timedelta(minutes=5)

_LOG = get_logger()


class CollectionWatch:
    """Collects in a thread of its own: a large lake takes minutes to list."""

    def __init__(self, database: Engine, settings: Settings, *, name: str) -> None:
        """Collect in the name of the scheduler `name`."""
        self._database = database
        self._settings = settings
        self._name = name
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="collection", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop between two steps; the next collection goes on."""
        self._done.set()

    def look(self) -> Collection | None:
        """Collect if it is time and nobody else does; return what came of it."""
        settings = self._settings
        return collect(
            self._database,
            Lake(settings.lake()),
            settings.keeping,
            owner=self._name,
            lease=settings.lease,
            every=timedelta(hours=settings.collect_hours),
            stop=self._done,
        )

    def _watch(self) -> None:
        while not self._done.wait(PAUSE.total_seconds()):
            try:
                self.look()
            except (MusterError, SQLAlchemyError) as exc:
                _LOG.warning("not collected", cause=type(exc).__name__)
