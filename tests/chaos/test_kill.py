"""Kill each part in the middle of the work: every due run still ends published exactly once, and in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.chaos.conftest import ENVIRONMENT, LEASE_SECONDS, Target
from tests.running import SHORT_LEASES, bare_environment, child_pids, is_running
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.long]


def kill(pid: int) -> float:
    """Send ``kill -9`` and return the time of it."""
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def test_a_worker_killed_in_the_middle_of_a_batch(target: Target):
    worker = target.parts.pid("worker")
    runs, batch = target.middle_of_a_batch()
    since = kill(worker)
    target.wait_for_the_end(since)
    target.assert_published_once(runs)
    target.assert_all_invariants()
    lost = target.rows("SELECT state, manifest FROM batch WHERE id = :id", id=batch["id"])
    assert lost == [{"state": "lost", "manifest": None}]


def test_an_engine_killed_in_the_middle_of_a_job(target: Target):
    engine = target.parts.pid("engine")
    runs, batch = target.middle_of_a_batch()
    since = kill(engine)
    target.wait_for_the_end(since)
    target.assert_published_once(runs)
    target.assert_all_invariants()
    put_back = target.rows(
        """SELECT DISTINCT reason FROM run_event
            WHERE run_id = ANY(:runs) AND to_state = 'pending' AND from_state = 'running'
              AND fence = :fence""",
        runs=runs,
        fence=batch["fence"],
    )
    assert put_back == [{"reason": "retry"}]


def test_python_workers_of_the_engine_killed_in_the_middle_of_a_job(target: Target):
    engine = target.parts.pid("engine")
    runs, _ = target.middle_of_a_batch()
    since = time.monotonic()
    for pid in child_pids(engine):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    target.wait_for_the_end(since)
    target.assert_published_once(runs)
    target.assert_all_invariants()


def test_redis_emptied_with_runs_queued(target: Target):
    worker = target.parts.pid("worker")
    # the process that takes hints from Redis is stopped as well, else no hint would lie there
    sleepers = [*child_pids(worker), worker]
    for pid in sleepers:
        os.kill(pid, signal.SIGSTOP)
    try:
        runs = target.request()
        eventually(lambda: target.hint() and target.parts.hints("kick"), 15)
        assert target.rows(
            "SELECT DISTINCT state FROM refresh_run WHERE id = ANY(:runs)", runs=runs
        ) == [{"state": "pending"}]
        target.parts.empty_redis()
    finally:
        since = time.monotonic()
        for pid in sleepers:
            os.kill(pid, signal.SIGCONT)
    target.wait_for_the_end(since)
    target.assert_published_once(runs)
    target.assert_all_invariants()


def test_postgres_killed_in_the_middle_of_a_batch(target: Target):
    postgres = target.parts.pid("postgres")
    runs, _ = target.middle_of_a_batch()
    since = kill(postgres)
    target.wait_for_the_end(since)
    target.assert_published_once(runs)
    target.assert_all_invariants()


@pytest.fixture
def second_worker(target: Target) -> Iterator[subprocess.Popen[bytes]]:
    addresses = target.parts.addresses()
    names = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL", "engine": "ENGINE"}
    environment = {
        **bare_environment(),
        **SHORT_LEASES,
        **ENVIRONMENT,
        "MUSTER_HOME": str(target.parts.home),
        **{variable: addresses[name] for name, variable in names.items()},
        "LAKE_URL": addresses["lake_url"],
    }
    with (target.parts.home / "log" / "second.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "muster_worker", "--direct"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        yield process
        process.terminate()
        process.wait(30)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("minutes", [0, 10])
def test_with_redis_gone_requests_are_accepted_at_once_and_runs_go_on(
    target: Target, second_worker: subprocess.Popen[bytes], minutes: int
):
    valkey = target.parts.pid("valkey")
    took: list[float] = []
    end = time.monotonic() + 60 * minutes
    os.kill(valkey, signal.SIGSTOP)  # neither answers nor refuses: the worst way to be gone
    try:
        while not took or time.monotonic() < end:
            asked = time.monotonic()
            runs = target.request()
            assert not target.hint()
            took.append(time.monotonic() - asked)
            # a second request comes within the pause after the first hint that could not be sent
            asked = time.monotonic()
            target.hint()
            assert time.monotonic() - asked < 0.5
            # in the time that batch takes; on a machine with other work that may be long
            target.wait_for_the_end(time.monotonic() + 60)
            target.assert_published_once(runs)
            # longer than the pause of this process; other requests come from others
            time.sleep(6 if minutes else 0)
    finally:
        os.kill(valkey, signal.SIGCONT)
    assert max(took) < 1.5 + target.allowance_seconds

    since = time.monotonic()
    runs = target.request()
    target.hint()
    eventually(
        lambda: target.rows(
            "SELECT 1 FROM refresh_run WHERE id = ANY(:runs) AND started_at IS NOT NULL", runs=runs
        ),
        15 + target.allowance_seconds,
    )
    target.wait_for_the_end(since)
    target.assert_all_invariants()
    assert is_running(second_worker.pid)


def test_a_worker_that_wakes_after_its_lease_was_given_away_publishes_nothing(
    target: Target, second_worker: subprocess.Popen[bytes]
):
    worker = target.parts.pid("worker")
    runs, batch = target.middle_of_a_batch()
    sleeper = int(batch["worker"].rpartition(":")[2])
    since = time.monotonic()
    os.kill(sleeper, signal.SIGSTOP)
    try:
        eventually(
            lambda: target.rows(
                "SELECT 1 FROM batch WHERE id > :id AND state = 'running'", id=batch["id"]
            ),
            LEASE_SECONDS + 10,
        )
    finally:
        os.kill(sleeper, signal.SIGCONT)
    target.wait_for_the_end(since)
    target.assert_published_once(runs)
    target.assert_all_invariants()
    assert not target.rows(
        "SELECT 1 FROM membership_version WHERE fence = :fence", fence=batch["fence"]
    )
    assert sleeper in (worker, second_worker.pid)
    assert is_running(sleeper)
