"""The whole way on a real Spark cluster whose machines hold nothing of Muster."""

from __future__ import annotations

import subprocess
import threading

import pytest
from tests.integration.cluster.conftest import Cluster
from tests.integration.worker.conftest import Bench
from tests.integration.worker.test_batch import members, orders_per_customer
from tests.shop import LAST_ORDER, Shop, many_segments, ordered, segment
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.spark]

BUYERS = segment("buyers", ordered(8))


def test_code_is_sent_and_a_killed_executor_changes_nothing(
    cluster: Cluster, bench: Bench, shop: Shop
) -> None:
    # Given executors that cannot import Muster, listening on this machine only
    found = subprocess.run(
        [cluster.python, "-c", "import muster_core"], capture_output=True, check=False
    )
    assert b"No module named 'muster_core'" in found.stderr
    assert cluster.listening() <= {"127.0.0.1", "::ffff:127.0.0.1"}
    bench.apply_catalog(shop)
    bench.apply_segments([BUYERS, *many_segments(12)])
    started = cluster.started_executors()
    killed: list[int] = []

    def kill() -> None:
        victim = eventually(cluster.busy, 120, every=0.01)[0]
        victim.kill()
        killed.append(victim.pid)

    # When one of them is killed while it prepares
    watcher = threading.Thread(target=kill)
    watcher.start()
    runs = bench.refresh(as_of=LAST_ORDER)
    watcher.join()

    # Then everything is published, and the members are those of the rows
    assert killed
    assert {(run["state"], run["attempt"]) for run in runs.values()} == {("published", 1)}
    counts = orders_per_customer(shop)
    assert members(bench, "buyers") == {key for key, count in counts.items() if count >= 8}
    for number, found_run in enumerate(runs[f"s{n:03d}"] for n in range(12)):
        assert found_run["member_count"] == expected(shop, number)
    eventually(lambda: cluster.started_executors() > started, 30)


def expected(shop: Shop, number: int) -> int:
    """Count the members of `many_segments`' segment `number` in the files."""
    countries = ("GB", "DE", "FR", "NL")
    counts = orders_per_customer(shop)
    return sum(
        row["country"] == countries[number % 4]
        and counts.get(row["customer_id"], 0) >= 1 + number // 4 % 25
        for row in shop.frame("customers").to_pylist()
    )
