"""Exporters killed while they deliver to real servers of every kind: each version has its effect once.

CHAOS_KILLS says how many kills a kind gets; the seed is told when something is wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import connect
from tests.integration.exporter.destination import FILES
from tests.integration.exporter.process import start, states
from tests.integration.exporter.test_table import document as database_document
from tests.integration.exporter.world import COLUMNS, World, build_world, partition_table
from tests.receiver import running_receiver
from tests.waiting import eventually

from muster_core.exports.manifest import ExportManifest, Latest
from muster_core.storage.database import transaction
from muster_core.storage.delivery import reap_deliveries
from muster_core.storage.export_table import delivery

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("CHAOS_KILLS", "2"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
KEY = b"a key of thirty-two bytes, canary"[:32]
KINDS = [*sorted(FILES), "webhook", "postgresql", "feed"]
VERSIONS = 2


class Look(threading.Thread):
    """A reader that looks 20 times a second and remembers what did not belong there."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._look = look
        self.over = threading.Event()
        self.looks = 0
        self.fault: Exception | None = None

    def run(self) -> None:
        while not self.over.wait(0.05) and self.fault is None:
            try:
                self._look()
            except Exception as exc:  # noqa: BLE001 - told by the test
                self.fault = exc
            self.looks += 1


@pytest.fixture
def world(database: sa.Engine, database_url: str, tmp_path: Path) -> World:
    profiles = [partition_table(n, 15_000) for n in range(2)]
    return build_world(database, database_url, tmp_path, profiles, COLUMNS)


#: One that takes files and one that does not; all others are left to the long tests.
_SHORT = {"folder", "webhook"}


@pytest.fixture(
    params=[pytest.param(k, marks=[] if k in _SHORT else pytest.mark.long) for k in KINDS]
)
def place(
    request: pytest.FixtureRequest, world: World, database_url: str, tmp_path: Path
) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """A destination of each kind: its name, what a reader does, and what is compared in the end."""
    kind = request.param
    if kind in FILES:
        root = tmp_path / f"there-{abs(hash(tmp_path)):x}"
        if kind == "folder":
            root.mkdir()
        there = FILES[kind](request, root)
        connect(world, there.document, there.secret)
        seen: dict[str, str] = {}
        pointers: list[int] = []

        def look() -> None:
            for name, data in _final(there.files()).items():
                if name.endswith("latest.json"):
                    pointers.append(Latest.model_validate_json(data).segment_version)
                    assert pointers == sorted(pointers)
                else:
                    found = hashlib.sha256(data).hexdigest()
                    assert seen.setdefault(name, found) == found, name

        def compare() -> None:
            files = _final(there.files())
            for version in range(1, VERSIONS + 1):
                folder = f"crm/vip/version={version}/"
                manifest = ExportManifest.model_validate_json(files[f"{folder}manifest.json"])
                assert {n for n in files if n.startswith(folder)} == {
                    f"{folder}{name}"
                    for name in ("manifest.json", *(file.name for file in manifest.files))
                }
                for file in manifest.files:
                    data = files[f"{folder}{file.name}"]
                    assert hashlib.sha256(data).hexdigest() == file.sha256
                assert sum(f.rows for f in manifest.files) == members(world, version)

        yield kind, look, compare
    elif kind == "webhook":
        with running_receiver(KEY) as hook:
            secret = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}
            document = {"name": "there", "kind": "webhook", "url": hook.url, "chunk_bytes": 50_000}
            connect(world, document, secret)

            def compare_messages() -> None:
                bodies = hook.bodies()
                assert all(len(found) == 1 for found in bodies.values())
                said = [json.loads(next(iter(found))) for found in bodies.values()]
                for version in range(1, VERSIONS + 1):
                    own = [m["data"] for m in said if m["data"]["version"] == version]
                    rows = [row["id"] for data in own for row in data.get("rows", [])]
                    assert len(rows) == len(set(rows)) == members(world, version)

            yield kind, lambda: None, compare_messages
    else:
        yield kind, *_database(world, database_url, kind)


def _database(world: World, url: str, kind: str) -> tuple[Callable[[], None], Callable[[], None]]:
    document = database_document(url, kind, schema="there")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA there")
    connect(world, document, {"password": str(sa.make_url(url).password)})
    table, versions = (
        ("there.crm", "there.muster_export_version")
        if kind == "postgresql"
        else ("there.muster_membership WHERE left_at IS NULL", "there.muster_feed_version")
    )

    def read() -> tuple[int, int]:
        with psycopg.connect(url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            if connection.execute("SELECT to_regclass(%s)", [versions]).fetchone() == (None,):
                return 0, 0
            count: Any = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608 - names of the test
            told: Any = connection.execute(f"SELECT max(version) FROM {versions}".encode())  # noqa: S608 - names of the test
            return count[0], told.fetchone()[0] or 0

    def look() -> None:
        count, version = read()
        assert count == (members(world, version) if version else 0)

    def compare() -> None:
        assert read() == (members(world, VERSIONS), VERSIONS)

    return look, compare


def members(world: World, version: int) -> int:
    return int(sum(mask.sum() for mask in world.masks["vip", version]))


def _final(files: dict[str, bytes]) -> dict[str, bytes]:
    return {n: d for n, d in files.items() if not n.rsplit("/", 1)[-1].startswith(".")}


# an exporter takes seconds to start where others work beside it
@pytest.mark.timeout(300 + VERSIONS * KILLS * 60)
def test_each_version_has_its_effect_once_whenever_its_exporter_is_killed(
    world, place, monkeypatch
):
    kind, look, compare = place
    chance = random.Random(f"{SEED} {kind}")
    monkeypatch.setenv("MUSTER_OUTBOUND_ALLOW", "127.0.0.1")
    files = {"format": "csv.gz", "rows_per_file": 2_000} if kind in FILES else {}
    columns = [] if kind == "feed" else ["email", "note", "age", "tags"]
    for _ in range(VERSIONS):
        world.publish("vip", 0.9)
    world.export(connection="there", columns=columns, **files)
    reader = Look(look)
    reader.start()
    hit = 0
    try:
        for version in range(1, VERSIONS + 1):
            world.queue("crm", "vip", version)
            with transaction(world.database) as connection:
                connection.execute(delivery.update().values(max_attempts=1000))
            for _ in range(KILLS):
                child = start(world)
                try:
                    eventually(lambda: "running" in states(world) or _done(world), 600)
                    time.sleep(chance.uniform(0.0, 0.4))  # where it is hit is the point of the test
                finally:
                    child.send_signal(signal.SIGKILL)
                    child.wait()
                hit += "running" in states(world)
                _expire(world)
            child = start(world)
            try:
                eventually(lambda: _done(world), 600)
            finally:
                child.kill()
                child.wait()
    finally:
        reader.over.set()
        reader.join()

    assert reader.fault is None, f"seed {SEED}: {reader.fault!r}"
    compare()
    assert hit, f"seed {SEED}: no kill hit a delivery"


def _done(world: World) -> bool:
    return set(states(world)) == {"delivered"}


def _expire(world: World) -> None:
    """Let leases end now, with the circuit closed: what a killed exporter left is taken up at once."""
    with transaction(world.database) as connection:
        connection.execute(
            delivery.update()
            .where(delivery.c.state == "running")
            .values(lease_expires_at=sa.text("clock_timestamp() - interval '1 second'"))
        )
        reap_deliveries(connection)
