"""Looks at the sources now and then, and starts what is to be refreshed when one of them changed."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from muster_core.catalog.document import Catalog
from muster_core.errors import MusterError
from muster_core.lake.source import list_source
from muster_core.queue.app import Hint
from muster_core.queue.hint import send_hint
from muster_core.settings import Settings
from muster_core.storage.arrival import claim_poll, note_sources
from muster_core.storage.catalog import current_catalog
from muster_core.storage.database import transaction
from muster_core.telemetry import get_logger

#: Between two looks at the sources, by whichever scheduler.
PAUSE = timedelta(seconds=30)

_LOG = get_logger()


def sources_digest(catalog: Catalog) -> str:
    """Return a digest of the Parquet files of all tables: names, sizes and marks of change.

    A source that is missing counts as such: files that go and come back are two changes.
    """
    found = {}
    for table in (catalog.profile, *catalog.tables.values()):
        if table.source.parquet is None:
            continue
        try:
            files = [(f.path, f.size, f.etag) for f in list_source(table.source)]
        except MusterError as exc:
            _LOG.warning("source not looked at", table=table.name, error=exc.code)
            files = []
        found[table.name] = files
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


class ArrivalWatch:
    """Looks in a thread of its own, so that a slow store of files delays no schedule."""

    def __init__(self, database: Engine, settings: Settings, *, name: str) -> None:
        """Start work in the name of the scheduler `name`."""
        self._database = database
        self._settings = settings
        self._name = name
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="arrival", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._done.set()

    def look(self, pause: timedelta = PAUSE) -> bool:
        """Look once, if it is this process's turn; return whether work was started."""
        with transaction(self._database) as connection:
            turn = claim_poll(connection, pause=pause)
            found = current_catalog(connection) if turn else None
        if found is None:
            return False
        seen = sources_digest(found[1])
        with transaction(self._database) as connection:
            started = note_sources(
                connection, seen, actor=self._name, max_attempts=self._settings.max_attempts
            )
        if started:
            _LOG.info("data arrived")
            send_hint(self._settings, Hint.REFRESH)
        return started

    def _watch(self) -> None:
        while not self._done.wait(PAUSE.total_seconds() / 3):
            try:
                self.look()
            except (MusterError, SQLAlchemyError) as exc:
                _LOG.warning("sources not looked at", cause=type(exc).__name__)
