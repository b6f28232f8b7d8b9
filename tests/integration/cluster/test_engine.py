"""What the engine promises on a cluster: a probe that tells, an interrupt that frees it, a restart that is survived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from tests.integration.cluster.conftest import Cluster
from tests.integration.worker.conftest import Bench
from tests.integration.worker.test_stop import while_working
from tests.running import is_running
from tests.shop import LAST_ORDER, Shop, many_segments, ordered, segment
from tests.waiting import eventually, promised

from muster_core.errors import EngineUnavailable, TerminalError
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.run import cancel_run
from muster_worker.engine.probe import probe_engine
from muster_worker.engine.session import close, connect, engine_errors

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def settings_of(cluster: Cluster, lake_url: str) -> Settings:
    return Settings(engine=SecretStr(cluster.url), lake_url=lake_url)


@pytest.mark.long
def test_a_probe_tells_what_the_executors_are_like(cluster: Cluster, lake_url: str) -> None:
    report = probe_engine(settings_of(cluster, lake_url))
    assert report.problems == ()
    assert report.code_sent
    (executor,) = report.executors
    assert executor.packages["pyarrow"] == pa.__version__
    assert executor.tasks == 2
    assert executor.lake == ""


def test_a_job_is_stopped_on_the_executors_by_its_tag(cluster: Cluster, tmp_path: Path) -> None:
    """A second client opens the session by its name, as the successor of a dead worker does."""
    name = str(uuid.uuid4())
    spark = connect(cluster.url, session_id=name, user_id="muster")
    other = connect(cluster.url, session_id=name, user_id="muster")
    ended: list[Exception] = []
    folder = str(tmp_path)

    def sleep(batches):
        Path(folder, str(os.getpid())).touch()
        for _ in batches:
            time.sleep(300)
        yield pa.RecordBatch.from_pydict({"done": [1]})

    def run() -> None:
        spark.addTag("muster-batch-1-1-1")
        try:
            with engine_errors():
                spark.range(0, 2, 1, 2).mapInArrow(sleep, "done long").collect()
        except EngineUnavailable as exc:
            ended.append(exc)

    job = Thread(target=run)
    job.start()
    try:
        eventually(lambda: len(list(tmp_path.iterdir())) == 2, 60)
        asked = time.monotonic()
        with engine_errors():
            assert other.interruptTag("muster-batch-1-1-1")
        job.join(promised(20))
        assert not job.is_alive()
        assert ended
        # the processes that slept end too: the cores are free for others
        sleepers = [int(file.name) for file in tmp_path.iterdir()]
        eventually(lambda: not any(is_running(pid) for pid in sleepers), promised(20))
        assert time.monotonic() - asked < promised(20)
    finally:
        with engine_errors():
            other.interruptAll()
        job.join(60)
        close(spark)


@pytest.mark.long
def test_a_cancelled_run_frees_the_executors(cluster: Cluster, bench: Bench, shop: Shop) -> None:
    bench.apply_catalog(shop)
    bench.apply_segments(many_segments(40))
    asked = bench.request()

    def cancel() -> None:
        with transaction(bench.database) as connection:
            for run_id in asked.values():
                cancel_run(connection, run_id, actor="test")

    while_working(bench, cancel)
    assert {bench.run(run_id)["state"] for run_id in asked.values()} == {"cancelled"}
    assert not bench.rows("SELECT 1 FROM membership_version")
    assert probe_engine(bench.settings, timeout_seconds=20).problems == ()


@pytest.mark.long
def test_code_is_sent_once_a_session_and_again_after_a_restart(
    cluster: Cluster, bench: Bench, shop: Shop
) -> None:
    bench.apply_catalog(shop)
    bench.apply_segments([segment("buyers", ordered(8))])
    with capture_logs() as logs:
        first = bench.refresh(as_of=LAST_ORDER)["buyers"]
        second = bench.refresh(as_of=LAST_ORDER)["buyers"]
        assert len(sent(logs)) == 1
        cluster.services.kill("engine")
        cluster.start_engine()
        third = bench.refresh(as_of=LAST_ORDER)["buyers"]
        assert third["state"] == "published", third["error"]
        assert len(sent(logs)) == 2
    assert [run["state"] for run in (first, second, third)] == ["published"] * 3
    assert len({run["member_count"] for run in (first, second, third)}) == 1


def sent(logs: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [line["code"] for line in logs if line["event"] == "code sent to the engine"]


@pytest.mark.long
def test_a_probe_says_what_the_executors_lack(
    cluster: Cluster, lake_url: str, tmp_path: Path
) -> None:
    settings = settings_of(cluster, lake_url)
    # an engine that names an interpreter without the packages of the executor image
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    cluster.services.kill("engine")
    cluster.start_engine(MUSTER_ENGINE_PYTHON=str(tmp_path / "bare" / "bin" / "python"))
    try:
        with pytest.raises(TerminalError, match=r"pyarrow.*executor-requirements") as caught:
            probe_engine(settings)
        assert "No module named" in caught.value.message
    finally:
        cluster.services.kill("engine")
        cluster.start_engine()
    wrong = Settings(
        engine=SecretStr(cluster.url.replace("token-of", "other-of")), lake_url=lake_url
    )
    with pytest.raises(EngineUnavailable):
        probe_engine(wrong)


@pytest.mark.long
def test_a_probe_ends_where_no_executor_is_free(cluster: Cluster, lake_url: str) -> None:
    for name in ("spark-worker-1", "spark-worker-2"):
        os.kill(cluster.services.pid(name), signal.SIGSTOP)
    try:
        for executor in cluster.executors():
            executor.suspend()
        with pytest.raises(EngineUnavailable, match="ran no task within 5 s"):
            probe_engine(settings_of(cluster, lake_url), timeout_seconds=5)
    finally:
        for executor in cluster.executors():
            executor.resume()
        for name in ("spark-worker-1", "spark-worker-2"):
            os.kill(cluster.services.pid(name), signal.SIGCONT)
