"""Looks at the sources now and then, and starts what is to be refreshed when one of them changed."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from muster_core.catalog.document import Catalog, Table
from muster_core.errors import MusterError
from muster_core.extract.address import resolve_address
from muster_core.extract.document import PostgresSource
from muster_core.extract.newest import newest_watermark
from muster_core.lake.source import list_source
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.settings import Settings
from muster_core.storage.arrival import claim_poll, note_sources
from muster_core.storage.catalog import current_catalog
from muster_core.storage.database import transaction
from muster_core.telemetry import get_logger

#: Between two looks at the sources, by whichever scheduler.
PAUSE = timedelta(seconds=30)

_LOG = get_logger()


def look_at_sources(catalog: Catalog, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return by table what tells that its source changed; None where that could not be found out.

    Of Parquet a digest of names, sizes and marks of change; a source that is missing counts as such: files that
    go and come back are two changes. Of PostgreSQL the newest watermark; without one nothing is told.
    """
    found: dict[str, str | None] = {}
    for table in (catalog.profile, *catalog.tables.values()):
        if table.source.parquet is not None:
            found[table.name] = _files(table)
        elif table.source.postgres is not None and table.source.postgres.watermark is not None:
            found[table.name] = _newest(table, table.source.postgres, environ)
    return found


def _files(table: Table) -> str:
    try:
        files = [(f.path, f.size, f.etag) for f in list_source(table.source)]
    except MusterError as exc:
        _LOG.warning("source not looked at", table=table.name, error=exc.code)
        files = []
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def _newest(table: Table, source: PostgresSource, environ: Mapping[str, str]) -> str | None:
    try:
        return newest_watermark(source, resolve_address(source.connection, environ), table.name)
    except MusterError as exc:
        # a server that is away says nothing about its rows
        _LOG.warning("source not looked at", table=table.name, error=exc.code)
        return None


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
        seen = look_at_sources(found[1], os.environ)
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
