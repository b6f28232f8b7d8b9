"""A segment whose kernel kills its process, or never ends: the others are published, and it ends named."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.integration.worker.conftest import Bench
from tests.running import bare_environment
from tests.shop import in_country, many_segments, segment
from tests.waiting import eventually, promised

from muster_console.parts.engine import Engine
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.running import running
from muster_core.storage.database import transaction
from muster_core.storage.run import cancel_run
from muster_worker.app import Worker

pytestmark = [pytest.mark.integration, pytest.mark.spark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmful:
    """An engine whose kernels do harm, and the file that says to which segments."""

    url: str
    file: Path


@pytest.fixture(scope="module")
def harmful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harmful]:
    folder = tmp_path_factory.mktemp("harm")
    shutil.copy(Path(__file__).with_name("poison.py"), folder / "sitecustomize.py")
    file = folder / "poison.txt"
    file.write_text("")
    home = Home(tmp_path_factory.mktemp("home"))
    home.create()
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "MUSTER_TEST_POISON")}
    os.environ |= {"PYTHONPATH": str(folder), "MUSTER_TEST_POISON": str(file)}
    port = choose_port("the engine", "nothing", fixed=None, last=None)
    server = Engine(home, port, memory="1g", cores=2, short_lived=True)
    try:
        with running(server, home):
            for name, value in before.items():
                os.environ.pop(name)
                os.environ |= {} if value is None else {name: value}
            yield Harmful(url=server.url, file=file)
    finally:
        for name in before:
            os.environ.pop(name, None)


@pytest.fixture
def sick(ready: Bench, harmful: Harmful) -> Iterator[Bench]:
    """A bench on the harmful engine, whose waits are short."""
    settings = ready.settings.model_copy(
        update={"engine": SecretStr(harmful.url), "backoff_seconds": 0.05, "max_attempts": 3}
    )
    worker = Worker(database=ready.database, settings=settings, name="worker@test:9")
    yield Bench(database=ready.database, settings=settings, worker=worker)
    worker.close()
    harmful.file.write_text("")


def poison(bench: Bench, harmful: Harmful, name: str, harm: str) -> None:
    found = bench.rows("SELECT id FROM segment WHERE name = :name", name=name)
    harmful.file.write_text(f"{found[0]['id']} {harm}\n")


def work_until_all_ended(bench: Bench, seconds: float) -> None:
    def ended() -> bool:
        while bench.worker.work_once():
            pass
        return not bench.rows("SELECT 1 FROM refresh_run WHERE state = 'pending'")

    eventually(ended, seconds)


@pytest.mark.parametrize("count", [50, pytest.param(1_000, marks=pytest.mark.long)])
def test_a_segment_that_kills_its_process_ends_alone_and_named_after_all_others_were_published(
    sick: Bench, harmful: Harmful, count: int
):
    documents = many_segments(count)
    sick.apply_segments(documents)
    guilty = documents[count // 3]["name"]
    poison(sick, harmful, guilty, "die")
    asked = sick.request()
    with transaction(sick.database) as connection:
        connection.exec_driver_sql("UPDATE refresh_run SET max_attempts = 3")

    work_until_all_ended(sick, 60 + count)

    runs = {name: sick.run(run_id) for name, run_id in asked.items()}
    killer = runs.pop(guilty)
    assert {run["state"] for run in runs.values()} == {"published"}
    assert {run["attempt"] for run in runs.values()} == {1}
    assert (killer["state"], killer["reason"], killer["attempt"]) == (
        "failed",
        "attempts_exhausted",
        3,
    )
    assert killer["error_class"] == "poison_segment"
    assert f"The segment {guilty} alone" in killer["error"]
    assert max(run["finished_at"] for run in runs.values()) < killer["finished_at"]
    # its later attempts held up nobody
    sizes = sick.rows("SELECT runs FROM batch ORDER BY id")
    assert [row["runs"] for row in sizes] == [count, 1, 1]


def test_a_cancelled_run_frees_an_engine_that_is_stuck_in_its_kernel(sick: Bench, harmful: Harmful):
    sick.apply_segments([segment("stuck", in_country("GB")), segment("fine", in_country("DE"))])
    poison(sick, harmful, "stuck", "hang")
    asked = sick.request()
    at: list[float] = []

    def cancel() -> None:
        eventually(lambda: sick.rows("SELECT 1 FROM batch WHERE engine_jobs <> '[]'"), 60)
        with transaction(sick.database) as connection:
            cancel_run(connection, asked["stuck"], actor="test")
        at.append(time.monotonic())

    watcher = threading.Thread(target=cancel)
    watcher.start()
    assert sick.worker.work_once()
    watcher.join()
    # the other run was handed back, and is evaluated on the engine that is free again
    assert sick.worker.work_once()
    assert time.monotonic() - at[0] < promised(20)
    runs = {name: sick.run(run_id) for name, run_id in asked.items()}
    assert {name: run["state"] for name, run in runs.items()} == {
        "stuck": "cancelled",
        "fine": "published",
    }
    assert runs["fine"]["attempt"] == 1


@pytest.mark.long
def test_a_segment_that_never_ends_is_stopped_and_the_others_are_published(
    sick: Bench, harmful: Harmful
):
    sick.apply_segments([segment("fine", in_country("DE")), segment("stuck", in_country("GB"))])
    poison(sick, harmful, "stuck", "hang")
    settings = sick.settings.model_copy(update={"run_limit_seconds": 9.0})
    worker = Worker(database=sick.database, settings=settings, name="worker@test:8")
    asked = sick.request()
    with transaction(sick.database) as connection:
        connection.exec_driver_sql("UPDATE refresh_run SET max_attempts = 2")
    try:
        work_until_all_ended(Bench(database=sick.database, settings=settings, worker=worker), 90)
    finally:
        worker.close()
    runs = {name: sick.run(run_id) for name, run_id in asked.items()}
    assert runs["fine"]["state"] == "published"
    assert (runs["stuck"]["state"], runs["stuck"]["error_class"]) == ("failed", "run_too_long")
    assert "The evaluation of the segment stuck took longer than 9 s." in runs["stuck"]["error"]


def test_a_worker_told_to_stop_hands_back_within_three_seconds_whatever_the_engine_does(
    sick: Bench, harmful: Harmful, tmp_path: Path
):
    sick.apply_segments([segment("stuck", in_country("GB"))])
    poison(sick, harmful, "stuck", "hang")
    run_id = sick.request()["stuck"]
    environment = {
        **bare_environment(),
        "MUSTER_HOME": str(tmp_path / "worker"),
        "DATABASE_URL": sick.settings.database_url.get_secret_value(),  # type: ignore[union-attr]
        "ENGINE": harmful.url,
        "LAKE_URL": sick.settings.lake(),
    }
    process = subprocess.Popen([sys.executable, "-m", "muster_worker", "--direct"], env=environment)
    try:
        eventually(lambda: sick.rows("SELECT 1 FROM batch WHERE engine_jobs <> '[]'"), 60)
        process.send_signal(signal.SIGTERM)
        since = time.monotonic()
        eventually(lambda: sick.run(run_id)["state"] == "pending", promised(20))
        assert time.monotonic() - since < promised(3.5)
        run = sick.run(run_id)
        assert (run["reason"], run["attempt"]) == ("released", 0)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
