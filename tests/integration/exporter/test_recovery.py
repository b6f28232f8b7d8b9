"""Real exporter processes, killed and raced: one complete set of files comes out, and nothing partial is seen."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.integration.exporter.process import start, states
from tests.integration.exporter.world import (
    COLUMNS,
    World,
    build_world,
    partition_table,
)
from tests.waiting import eventually

from muster_core.exports.manifest import ExportManifest, Latest
from muster_core.lake.manifest import ALIVE
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.storage.database import transaction
from muster_core.storage.delivery import reap_deliveries
from muster_core.storage.delivery_record import list_deliveries
from muster_core.storage.export_table import delivery, delivery_event
from muster_core.storage.process_table import process

pytestmark = pytest.mark.integration

FORMATS = ("csv", "csv.gz", "parquet")
KILLS = 8


@pytest.fixture
def big_world(database, database_url, tmp_path) -> World:
    """Enough members that a delivery lasts a while."""
    profiles = [partition_table(n, 30_000) for n in range(2)]
    return build_world(database, database_url, tmp_path, profiles, COLUMNS)


@contextmanager
def exporters(world: World, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = [start(world) for _ in range(number)]
    try:
        yield running
    finally:
        for child in running:
            child.kill()
            child.wait()


def running_deliveries(world: World) -> int:
    return states(world).count("running")


def all_delivered(world: World) -> bool:
    return set(states(world)) == {"delivered"}


def expire_leases(world: World) -> None:
    """Let the leases of killed exporters end now, as they would in a few seconds, and reap them."""
    with transaction(world.database) as connection:
        connection.execute(
            delivery.update()
            .where(delivery.c.state == "running")
            .values(lease_expires_at=sa.text("clock_timestamp() - interval '1 second'"))
        )
        reap_deliveries(connection)


class Reader(threading.Thread):
    """A consumer that reads everything under a final name, over and over, and remembers what it read."""

    def __init__(self, target: Path) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.seen: dict[str, set[str]] = {}
        self.latest: list[int] = []
        self.broken: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.look()
            time.sleep(0.02)

    def look(self) -> None:
        for path in self.target.rglob("*"):
            if path.is_dir() or path.name.startswith("."):
                continue
            name = str(path.relative_to(self.target))
            data = path.read_bytes()
            if path.name == "latest.json":
                self.latest.append(Latest.model_validate_json(data).segment_version)
                continue
            self.seen.setdefault(name, set()).add(hashlib.sha256(data).hexdigest())
            if path.name == "manifest.json":
                self.check(path.parent, ExportManifest.model_validate_json(data))

    def check(self, folder: Path, manifest: ExportManifest) -> None:
        for file in manifest.files:
            found = hashlib.sha256((folder / file.name).read_bytes()).hexdigest()
            if found != file.sha256:
                self.broken.append(file.name)


@contextmanager
def reader(target: Path) -> Iterator[Reader]:
    consumer = Reader(target)
    consumer.start()
    try:
        yield consumer
    finally:
        consumer.over.set()
        consumer.join()


def assert_complete(world: World, export: str, version: int) -> ExportManifest:
    folder = world.folder(export, "vip", version)
    manifest = ExportManifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert sorted(os.listdir(folder)) == sorted(
        ["manifest.json", *(file.name for file in manifest.files)]
    )
    for file in manifest.files:
        assert hashlib.sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256
    alive = sum(
        int((p.column(ALIVE).to_numpy() & m).sum())
        for p, m in zip(world.profiles, world.masks["vip", version], strict=True)
    )
    assert manifest.members == sum(file.rows for file in manifest.files) == alive
    return manifest


@pytest.mark.long
def test_killed_exporters_leave_one_complete_set_and_nothing_partial_is_ever_seen(big_world):
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    chance = random.Random(seed)
    version = big_world.publish("vip", share=0.9)
    for form in FORMATS:
        name = form.replace(".", "_")
        big_world.export(name=name, format=form, rows_per_file=4_000)
        big_world.queue(name, "vip", version)
    with transaction(big_world.database) as connection:
        connection.execute(delivery.update().values(max_attempts=1000))

    with reader(big_world.target) as consumer:
        for _ in range(KILLS):
            if all_delivered(big_world):
                break
            child = start(big_world)
            try:
                eventually(lambda: running_deliveries(big_world) or all_delivered(big_world), 60)
                time.sleep(chance.uniform(0.0, 0.5))  # where it is hit is the point of the test
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait()
            expire_leases(big_world)
        with exporters(big_world, 1):
            eventually(lambda: all_delivered(big_world), timeout=90)
        eventually(lambda: len(consumer.seen) > 40)

    for form in FORMATS:
        assert_complete(big_world, form.replace(".", "_"), version)
    # every byte ever seen under a final name is the byte that stands there now
    assert {name: len(hashes) for name, hashes in consumer.seen.items() if len(hashes) > 1} == {}
    assert consumer.broken == []
    assert not list(big_world.target.rglob("*.part"))
    with transaction(big_world.database) as connection:
        lost = connection.execute(
            sa.select(sa.func.count())
            .select_from(delivery_event)
            .where(delivery_event.c.reason == "lease_expired")
        ).scalar_one()
    assert lost >= 3, f"seed {seed}: too few kills hit a delivery"


def test_two_exporters_at_once_deliver_each_version_once(world):
    versions = [world.publish("vip") for _ in range(12)]
    world.export(format="csv", rows_per_file=200)
    for version in versions:
        world.queue("crm", "vip", version)

    with reader(world.target) as consumer, exporters(world, 2):
        eventually(lambda: all_delivered(world), timeout=60)

    for version in versions:
        assert_complete(world, "crm", version)
    assert consumer.latest == sorted(consumer.latest)
    latest = Latest.model_validate_json((world.target / "crm" / "vip" / "latest.json").read_bytes())
    assert latest.segment_version == versions[-1]
    with transaction(world.database) as connection:
        claims = connection.execute(
            sa.select(delivery_event.c.delivery_id, sa.func.count())
            .where(delivery_event.c.reason == "claimed")
            .group_by(delivery_event.c.delivery_id)
        ).all()
        fences = connection.scalars(sa.select(delivery.c.fence)).all()
    assert [count for _, count in claims] == [1] * len(versions)
    assert len(set(fences)) == len(versions)


def test_a_soft_stop_hands_the_delivery_back_and_loses_no_attempt(big_world):
    version = big_world.publish("vip", share=0.9)
    big_world.export(format="csv.gz", rows_per_file=1_000)
    big_world.queue("crm", "vip", version)
    child = start(big_world)
    try:
        eventually(lambda: running_deliveries(big_world), timeout=60)
        child.terminate()
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()

    with transaction(big_world.database) as connection:
        (found,) = list_deliveries(connection)
        signed_on = connection.execute(sa.select(process)).all()
    assert (found.state, found.reason, found.attempt) == ("pending", "released", 0)
    assert signed_on == []
    with exporters(big_world, 1):
        eventually(lambda: states(big_world) == ["delivered"], timeout=60)
    assert_complete(big_world, "crm", version)


def test_a_paused_exporter_finds_its_lease_gone_and_writes_nothing_more(big_world):
    version = big_world.publish("vip", share=0.9)
    big_world.export(format="csv.gz", rows_per_file=1_000)
    big_world.queue("crm", "vip", version)
    paused = start(big_world)
    try:
        eventually(lambda: running_deliveries(big_world), timeout=60)
        paused.send_signal(signal.SIGSTOP)
        expire_leases(big_world)
        with exporters(big_world, 1):
            eventually(lambda: states(big_world) == ["delivered"], timeout=60)
        before = {p: p.stat().st_mtime_ns for p in big_world.target.rglob("*") if p.is_file()}
        paused.send_signal(signal.SIGCONT)
        paused.terminate()
        assert paused.wait(30) == 0
    finally:
        paused.kill()
        paused.wait()

    manifest = assert_complete(big_world, "crm", version)
    assert len(manifest.files) > 40
    changed = [
        p.name
        for p in big_world.target.rglob("*")
        if p.is_file() and before.get(p) != p.stat().st_mtime_ns
    ]
    # at most the one file in flight, with the same bytes
    assert len(changed) <= 1
    (found,) = states(big_world)
    assert found == "delivered"


def test_connections_that_break_again_and_again_cost_no_attempt(big_world):
    version = big_world.publish("vip", share=0.9)
    big_world.export(format="csv.gz", rows_per_file=1_000)
    big_world.queue("crm", "vip", version)
    broken = 0

    def break_connections() -> bool:
        nonlocal broken
        with transaction(big_world.database) as connection:
            broken += connection.execute(
                sa.text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE application_name = 'muster-exporter' AND datname = current_database()"
                )
            ).scalar_one()
        return states(big_world) == ["delivered"]

    with exporters(big_world, 1):
        eventually(break_connections, timeout=60, every=0.2)

    assert broken >= 3
    assert_complete(big_world, "crm", version)
    with transaction(big_world.database) as connection:
        (found,) = list_deliveries(connection)
    assert found.attempt == 1


def test_a_hint_wakes_an_exporter_that_would_sleep_for_minutes(world, redis_url):
    world.publish("vip")
    world.export()
    child = start(world, redis_url=redis_url, sweep_seconds=300)
    settings = world.settings.model_copy(update={"redis_url": SecretStr(redis_url)})
    try:
        eventually(lambda: signed_on(world), timeout=60)
        world.queue("crm", "vip", 1)

        def hinted() -> bool:
            send_hint(settings, Hint.DELIVER)
            return states(world) == ["delivered"]

        eventually(hinted, timeout=60, every=0.5)
        child.terminate()
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()


def signed_on(world: World) -> bool:
    with transaction(world.database) as connection:
        return bool(connection.execute(sa.select(process)).all())
