"""Where deliveries are measured: a PostgreSQL, a lake with published segments, and an exporter."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from benchmarks import member_store
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_core.exports.document import parse_export
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction
from muster_core.storage.export import apply_export
from muster_core.storage.export_request import request_delivery
from muster_core.storage.migrate import migrate

_COLUMNS = ["email", "age", "seen"]
#: The longest a benchmark waits for its deliveries, in seconds.
PATIENCE = 3 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A PostgreSQL, a lake, and folders to deliver to."""

    folder: Path
    settings: Settings
    database: sa.Engine
    profile: list[str]

    @property
    def lake(self) -> Path:
        """Return the folder of the lake."""
        return self.folder / "lake"


@contextmanager
def open_place(folder: Path, customers: int, segments: Sequence[str]) -> Iterator[Place]:
    """Start a PostgreSQL and write a store with published segments."""
    home = Home(folder / "home")
    folder.mkdir()
    home.create()
    server = Postgres(
        home, choose_port("PostgreSQL", "MUSTER_POSTGRES_PORT", fixed=None, last=None)
    )
    with running(server, home):
        migrate(server.url)
        lake = Lake(str(folder / "lake"))
        settings = Settings(
            home=home.path,
            database_url=SecretStr(server.url),
            lake_url=lake.url,
            outbound_allow="127.0.0.1",
        )
        database = open_database(settings.database(), application="benchmark")
        with transaction(database) as connection:
            profile = member_store.build(connection, lake, customers, list(segments))
        try:
            yield Place(folder=folder, settings=settings, database=database, profile=profile)
        finally:
            database.dispose()
    shutil.rmtree(folder, ignore_errors=True)


def apply_document(
    place: Place, name: str, segments: Sequence[str], connection: object, **more: object
) -> None:
    """Apply an export; nothing is delivered before it is asked for."""
    written = {"name": name, "connection": connection, "segments": list(segments)}
    document = parse_export({**written, "columns": _COLUMNS, "schedule": "manual", **more})
    with transaction(place.database) as transacting:
        apply_export(transacting, document)


def request(place: Place, *exports: str) -> None:
    """Ask for the deliveries of exports, all at once and in this order."""
    with transaction(place.database) as connection:
        for name in exports:
            request_delivery(connection, name, actor="benchmark")


@contextmanager
def exporter(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """Run an exporter that looks by itself; it is killed in the end, whatever hangs in it."""
    environment = os.environ | {
        "DATABASE_URL": place.settings.database(),
        "LAKE_URL": place.settings.lake(),
        "MUSTER_HOME": str(place.settings.home),
        "MUSTER_OUTBOUND_ALLOW": "127.0.0.1",
        "MUSTER_SWEEP_SECONDS": "0.2",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "muster_exporter", "--direct"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def wait(place: Place, export: str, deliveries: int) -> None:
    """Wait until so many deliveries of an export have arrived.

    Raises:
        RuntimeError: one failed, or it takes for ever.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = states(place, export)
        if "failed" in found:
            raise RuntimeError(f"a delivery of {export} failed")
        if len(found) == deliveries and set(found) == {"delivered"}:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the deliveries of {export} do not end")


def states(place: Place, name: str) -> list[str]:
    query = sa.text(
        "SELECT d.state FROM delivery d JOIN export e ON e.id = d.export_id WHERE e.name = :name"
    )
    with transaction(place.database) as connection:
        return list(connection.scalars(query, {"name": name}))


def mark(reached: bool) -> str:
    return "" if reached else " (misses the target)"
