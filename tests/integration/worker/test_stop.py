"""A batch that is stopped before its end: softly, by a cancellation, or because its lease went to another."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.integration.worker.conftest import Bench
from tests.integration.worker.test_batch import members, orders_per_customer
from tests.shop import LAST_ORDER, Shop, many_segments, segment
from tests.waiting import eventually

from muster_core.storage.database import transaction
from muster_core.storage.run import cancel_run
from muster_worker.app import Worker

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def while_working(bench: Bench, act: Callable[[], None]) -> None:
    """Work on one batch, and call `act` once the engine serves it: at first, to prepare the store."""

    def watch() -> None:
        eventually(
            lambda: bench.rows(
                "SELECT 1 FROM batch WHERE state = 'running' AND engine_session IS NOT NULL"
            ),
            60,
            every=0.01,
        )
        act()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert bench.worker.work_once()
    watcher.join()


@pytest.fixture
def prepared(bench: Bench, shop: Shop) -> Bench:
    bench.apply_catalog(shop)
    bench.apply_segments(many_segments(40))
    return bench


def test_a_soft_stop_hands_the_batch_back_and_counts_no_attempt(prepared: Bench):
    asked = prepared.request()
    while_working(prepared, prepared.worker.stop)
    runs = [prepared.run(run_id) for run_id in asked.values()]
    assert {(run["state"], run["reason"], run["attempt"]) for run in runs} == {
        ("pending", "released", 0)
    }
    assert prepared.worker.work_once() is False
    assert prepared.rows("SELECT state FROM batch") == [{"state": "finished"}]
    assert not prepared.rows("SELECT 1 FROM membership_version")


def test_runs_that_are_all_cancelled_stop_the_job(prepared: Bench):
    asked = prepared.request("s000", "s001")

    def cancel() -> None:
        with transaction(prepared.database) as connection:
            for run_id in asked.values():
                cancel_run(connection, run_id, actor="test")

    while_working(prepared, cancel)
    assert {prepared.run(run_id)["state"] for run_id in asked.values()} == {"cancelled"}
    assert not prepared.rows("SELECT 1 FROM membership_version")


def test_a_fence_that_was_given_away_publishes_nothing(prepared: Bench):
    asked = prepared.request("s000", "s001")

    def give_away() -> None:
        with transaction(prepared.database) as connection:
            connection.exec_driver_sql(
                """UPDATE refresh_run SET fence = nextval('fence_seq'), lease_owner = 'another'
                    WHERE state = 'running'"""
            )

    while_working(prepared, give_away)
    runs = [prepared.run(run_id) for run_id in asked.values()]
    assert {(run["state"], run["lease_owner"]) for run in runs} == {("running", "another")}
    assert not prepared.rows("SELECT 1 FROM membership_version")
    assert not prepared.rows("SELECT 1 FROM batch WHERE manifest IS NOT NULL")


def test_a_batch_stopped_while_customers_are_ranked_is_ranked_again_by_the_next_worker(
    ready: Bench, shop: Shop
):
    by = {"table": "orders", "aggregate": {"function": "count", "column": None}}
    ready.apply_segments([segment("best", {"kind": "top", "by": by, "limit": 100})])
    run_id = ready.request("best", as_of=LAST_ORDER)["best"]
    while_working(ready, ready.worker.stop)
    stopped = ready.run(run_id)
    assert (stopped["state"], stopped["reason"], stopped["attempt"]) == ("pending", "released", 0)
    assert len(ready.batch(stopped)["engine_jobs"]) == 1
    other = Worker(database=ready.database, settings=ready.settings, name="worker@test:2")
    try:
        assert other.work_once()
    finally:
        other.close()
    run = ready.run(run_id)
    assert (run["state"], run["member_count"]) == ("published", 100)
    assert len(ready.batch(run)["engine_jobs"]) == 2
    counts = orders_per_customer(shop)
    everybody = shop.frame("customers")["customer_id"].to_pylist()
    ranked = sorted(everybody, key=lambda key: (-counts.get(key, 0), key))
    assert members(ready, "best") == set(ranked[:100])
