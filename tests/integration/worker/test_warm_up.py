"""A worker with nothing to do lets the engine work once, so that the first batch is not the one that waits."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from tests.integration.worker.conftest import Bench

from muster_console.parts.port import choose_port
from muster_worker.app import Worker

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def looks(worker: Worker, times: int) -> list[str]:
    """Return what a worker told while it looked for work and found none."""
    with capture_logs() as said:
        assert not any(worker.work_once() for _ in range(times))
    return [entry["event"] for entry in said]


def test_the_engine_is_warmed_up_once_and_again_when_the_session_is_gone(bench: Bench):
    assert looks(bench.worker, 3) == ["engine warmed up"]
    bench.worker.close()
    assert looks(bench.worker, 2) == ["engine warmed up"]


def test_without_an_engine_a_worker_looks_on(bench: Bench):
    port = choose_port("engine", "nothing", fixed=None, last=None)
    address = SecretStr(f"sc://localhost:{port}")
    settings = bench.settings.model_copy(update={"engine": address})
    worker = Worker(database=bench.database, settings=settings, name="worker@test:2")
    assert looks(worker, 2) == ["engine not warmed up"] * 2
    worker.close()


def test_a_worker_that_stops_warms_nothing_up(bench: Bench):
    bench.worker.stop()
    assert looks(bench.worker, 1) == []
