from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.integration.worker.conftest import Bench
from tests.shop import (
    LAST_ORDER,
    Shop,
    add_orders,
    in_country,
    many_segments,
    ordered,
    segment,
    spent,
    write_shop,
)

from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import Plan
from muster_core.kernel.tally import length_of, tallies_of
from muster_core.lake.location import Lake
from muster_core.lake.manifest import Pointer
from muster_core.lake.matrix import Matrix
from muster_core.lake.members import MemberList
from muster_core.lake.store import Store

pytestmark = [pytest.mark.integration, pytest.mark.spark]

SEGMENTS = [
    segment("british", in_country("GB")),
    segment("regular", ordered(8)),
    segment("recent", ordered(1, within="30 days")),
    segment("web_fans", ordered(5, channel="web")),
    segment("big_spenders", spent("900.00")),
    segment("not_british", {"kind": "not", "of": in_country("GB")}),
    segment("british_regular", {"kind": "all", "of": [in_country("GB"), ordered(8)]}),
]


def orders_per_customer(shop: Shop, chosen: Any = None) -> dict[str, int]:
    orders = shop.frame("orders")
    found = (orders.filter(chosen) if chosen is not None else orders)["customer_id"]
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(found).to_pylist()}


def expected(shop: Shop, as_of: datetime) -> dict[str, set[str]]:
    """Work the segments out without any of Muster's code."""
    customers, orders = shop.frame("customers"), shop.frame("orders")
    everybody = set(customers["customer_id"].to_pylist())
    british = set(customers.filter(pc.field("country") == "GB")["customer_id"].to_pylist())
    visible = pc.field("ordered_at") <= pa.scalar(as_of, pa.timestamp("us", "UTC"))
    lately = pc.field("ordered_at") > pa.scalar(
        as_of - timedelta(days=30), pa.timestamp("us", "UTC")
    )
    sums: dict[str, Decimal] = {}
    seen = orders.filter(visible)
    for key, amount in zip(
        seen["customer_id"].to_pylist(), seen["amount"].to_pylist(), strict=True
    ):
        sums[key] = sums.get(key, Decimal(0)) + amount

    def at_least(count: int, chosen: Any) -> set[str]:
        return {k for k, n in orders_per_customer(shop, chosen).items() if n >= count}

    regular = at_least(8, visible)
    return {
        "british": british,
        "regular": regular,
        "recent": at_least(1, visible & lately),
        "web_fans": at_least(5, visible & (pc.field("channel") == "web")),
        "big_spenders": {key for key, total in sums.items() if total >= 900},
        "not_british": everybody - british,
        "british_regular": british & regular,
    }


def members(bench: Bench, name: str) -> set[str]:
    """Read the published members as the exporter does."""
    row = bench.rows(
        """SELECT p.manifest, p.manifest_sha256, p.bit, n.manifest AS snapshot, n.manifest_sha256 AS sha
             FROM segment s
             JOIN membership_version v ON v.segment_id = s.id AND v.version = s.published_version
             JOIN membership_pointer p ON p.segment_id = s.id AND p.version = v.version
             JOIN snapshot n ON n.id = v.snapshot_id WHERE s.name = :name""",
        name=name,
    )[0]
    pointer = Pointer(
        manifest=row["manifest"], manifest_sha256=row["manifest_sha256"], bit=row["bit"]
    )
    found = MemberList.open(Lake(bench.settings.lake()), row["snapshot"], row["sha"], pointer)
    batches = found.batches(["customer_id"])
    return {key for batch in batches for key in batch.column("customer_id").to_pylist()}


def plan_of(batch: Any) -> str:
    return f"{batch['manifest'].rpartition('/')[0]}/plan-{batch['plan_sha256']}.json"


def test_a_batch_publishes_exactly_the_members_worked_out_by_hand(ready: Bench, shop: Shop):
    ready.apply_segments(SEGMENTS)
    runs = ready.refresh(as_of=LAST_ORDER)
    answers = expected(shop, LAST_ORDER)
    assert {run["state"] for run in runs.values()} == {"published"}
    for name, answer in answers.items():
        assert 0 < len(answer) < shop.customers
        assert members(ready, name) == answer
        assert (runs[name]["member_count"], runs[name]["joined"], runs[name]["left"]) == (
            len(answer),
            len(answer),
            0,
        )
        assert runs[name]["version"] == 1
    nodes = runs["british_regular"]["node_counts"]
    assert nodes["nodes"]["/rules/0/where/of/0"] == len(answers["british"])
    assert nodes["nodes"]["/rules/0/where/of/1"] == len(answers["regular"])
    assert nodes["running"] == [len(answers["british_regular"])]


def test_the_batch_says_who_worked_where_on_what(ready: Bench, shop: Shop):
    ready.apply_segments(SEGMENTS)
    run = ready.refresh()["british"]
    batch = ready.batch(run)
    assert batch["state"] == "finished"
    assert batch["worker"] == "worker@test:1"
    assert batch["engine"].startswith("localhost:") or batch["engine"].startswith("127.0.0.1:")
    assert " spark 4." in batch["engine"]
    assert "token" not in batch["engine"]
    assert batch["engine_session"]
    assert batch["engine_user"] == "muster"
    assert len(batch["engine_jobs"]) == 1
    assert (batch["tasks"], batch["tasks_done"]) == (4, 4)
    assert set(batch["seconds"]) == {"prepare", "plan", "evaluate", "publish"}
    assert batch["snapshot_id"] == run["snapshot_id"]
    assert batch["as_of"] == run["as_of"]
    plan = Lake(ready.settings.lake()).read_bytes(plan_of(batch))
    assert Plan.from_json(plan).sha256 == batch["plan_sha256"]


def test_a_second_run_counts_who_joined_and_left_and_prepares_nothing_again(
    ready: Bench, shop: Shop
):
    earlier = LAST_ORDER - timedelta(days=300)
    ready.apply_segments(SEGMENTS)
    first = ready.refresh(as_of=earlier)["recent"]
    second = ready.refresh(as_of=LAST_ORDER)["recent"]
    before, after = expected(shop, earlier)["recent"], expected(shop, LAST_ORDER)["recent"]
    assert first["member_count"] == len(before)
    assert (second["member_count"], second["joined"], second["left"]) == (
        len(after),
        len(after - before),
        len(before - after),
    )
    assert second["version"] == 2
    assert second["as_of"] == LAST_ORDER
    assert second["snapshot_id"] == first["snapshot_id"]
    assert len(ready.rows("SELECT id FROM snapshot")) == 1


def test_new_orders_are_prepared_and_seen(bench: Bench, tmp_path):
    shop = write_shop(tmp_path / "shop", customers=300, orders=500)
    bench.apply_catalog(shop)
    bench.apply_segments(SEGMENTS)
    bench.refresh(as_of=LAST_ORDER)
    keys = np.array([f"C{number:07d}" for number in range(100)])
    add_orders(shop.folder, keys, 2_000, first=500, random=np.random.default_rng(1))
    runs = bench.refresh(as_of=LAST_ORDER)
    for name, answer in expected(shop, LAST_ORDER).items():
        assert members(bench, name) == answer
        assert runs[name]["member_count"] == len(answer)
    assert len(bench.rows("SELECT id FROM snapshot")) == 2


def test_two_hundred_segments_due_together_are_one_engine_job(ready: Bench, shop: Shop):
    ready.apply_segments(many_segments(200))
    runs = ready.refresh(as_of=LAST_ORDER)
    assert {run["state"] for run in runs.values()} == {"published"}
    assert len({run["batch_id"] for run in runs.values()}) == 1
    batch = ready.batch(runs["s000"])
    assert batch["runs"] == 200
    assert len(batch["engine_jobs"]) == 1
    assert len({run["bit"] for run in runs.values()}) == 200


def test_the_engine_finds_what_the_kernels_find_in_this_process(ready: Bench, shop: Shop):
    ready.apply_segments(many_segments(70))
    runs = ready.refresh(as_of=LAST_ORDER)
    batch = ready.batch(runs["s000"])
    lake = Lake(ready.settings.lake())
    matrix = Matrix.open(lake, batch["manifest"], batch["manifest_sha256"])
    store = Store.open(lake, matrix.manifest.snapshot, matrix.manifest.snapshot_sha256)
    plan = Plan.from_json(lake.read_bytes(plan_of(batch)))
    counts = np.zeros(length_of(plan), dtype=np.int64)
    for number in range(store.manifest.partitions):
        here = evaluate(plan, store.partition(number))
        for run in runs.values():
            word, shift = divmod(run["bit"], 64)
            bits = (here.words[:, word] >> np.uint64(shift)) & np.uint64(1)
            np.testing.assert_array_equal(bits, matrix.bits(run["bit"], number))
        counts += here.counts
    totals = tallies_of(plan, counts)
    for run in runs.values():
        total = totals[run["segment_id"]]
        assert total.count == run["member_count"]
        counted = dict(run["node_counts"])
        assert 0 < counted.pop("work_share") < 1
        assert counted == {"nodes": dict(total.nodes), "running": list(total.running)}
    shares = [run["node_counts"]["work_share"] for run in runs.values()]
    assert sum(shares) == pytest.approx(1)


def test_segments_without_a_column_they_need_fail_alone_without_a_job_for_them(
    ready: Bench, shop: Shop
):
    ready.apply_segments(many_segments(20))
    broken = {**in_country("GB"), "column": "no_such_column"}
    names = [f"poison_{number}" for number in range(4)]
    ready.apply_segments([segment(name, broken) for name in names])
    runs = ready.refresh(as_of=LAST_ORDER)
    poisonous = [runs.pop(name) for name in names]
    for name, run in zip(names, poisonous, strict=True):
        assert (run["state"], run["error_class"]) == ("failed", "poison_segment")
        assert f"The segment {name} alone" in run["error"]
        assert "/rules/0/where/column" in run["error"]
    assert {run["state"] for run in runs.values()} == {"published"}
    assert len({run["batch_id"] for run in [*runs.values(), *poisonous]}) == 1
    assert len(ready.batch(runs["s000"])["engine_jobs"]) == 1
    answers = expected(shop, LAST_ORDER)["british"]
    assert members(ready, "s000") == answers & set(orders_per_customer(shop))


@pytest.mark.long
def test_a_column_that_left_the_store_stops_only_the_segment_that_reads_it(
    bench: Bench, shop: Shop
):
    """The catalog of the snapshot still names it, so the plan compiles and a task of the engine fails."""
    bench.apply_catalog(shop)
    bench.apply_segments(many_segments(6))
    bench.refresh(as_of=LAST_ORDER)
    _take_out_of_the_store(bench, "age")
    aged = {"kind": "attribute", "column": "age", "compare": "gte", "value": 40}
    bench.apply_segments([segment("aged", aged)])
    runs = bench.refresh(as_of=LAST_ORDER)
    aged_run = runs.pop("aged")
    assert (aged_run["state"], aged_run["error_class"]) == ("failed", "poison_segment")
    assert {run["state"] for run in runs.values()} == {"published"}
    assert len(bench.batch(aged_run)["engine_jobs"]) > 1
    assert {(run["joined"], run["left"], run["version"]) for run in runs.values()} == {(0, 0, 2)}


def _take_out_of_the_store(bench: Bench, column: str) -> None:
    """Write the profile files of the snapshot without `column`, and nothing else."""
    lake = Lake(bench.settings.lake())
    head = bench.rows("SELECT manifest, manifest_sha256 FROM snapshot")[0]
    store = Store.open(lake, head["manifest"], head["manifest_sha256"])
    for file in store.manifest.profile:
        path = lake.locate(file.path)
        pq.write_table(pq.read_table(path).drop_columns([column]), path)


def test_duplicate_keys_fail_every_run_and_leave_the_last_members(bench: Bench, tmp_path):
    shop = write_shop(tmp_path / "shop", customers=200, orders=300)
    bench.apply_catalog(shop)
    bench.apply_segments(SEGMENTS)
    bench.refresh(as_of=LAST_ORDER)
    before = members(bench, "british")
    twice = shop.frame("customers")
    pq.write_table(pa.concat_tables([twice, twice.slice(0, 3)]), shop.folder / "customers.parquet")
    runs = bench.refresh(as_of=LAST_ORDER)
    assert {(run["state"], run["error_class"]) for run in runs.values()} == {
        ("failed", "duplicate_keys")
    }
    assert members(bench, "british") == before


def test_runs_wait_for_a_catalog_with_a_clear_error(bench: Bench):
    bench.apply_segments(SEGMENTS[:1])
    run = bench.refresh()["british"]
    assert (run["state"], run["error_class"]) == ("failed", "not_found")
    assert "muster catalog apply" in run["error"]


def test_as_of_now_is_the_databases_time_of_the_claim(ready: Bench, shop: Shop):
    ready.apply_segments(SEGMENTS)
    run = ready.refresh("recent")["recent"]
    assert abs(run["as_of"] - datetime.now(UTC)) < timedelta(minutes=5)
    assert run["as_of"] == run["started_at"] or run["as_of"] <= run["started_at"]
    assert run["member_count"] == len(expected(shop, run["as_of"])["recent"])
