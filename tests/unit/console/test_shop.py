from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from muster_console.demo.shop import HISTORY, Shop, make_shop, write_shop
from muster_console.demo.stage import set_stage

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(2_000, until=UNTIL, seed=1)


def test_the_same_seed_makes_the_same_shop(shop: Shop) -> None:
    again = make_shop(2_000, until=UNTIL, seed=1)
    assert again.customers.equals(shop.customers)
    assert again.order_lines.equals(shop.order_lines)
    assert not make_shop(2_000, until=UNTIL, seed=2).customers.equals(shop.customers)


def test_every_reference_finds_its_target_and_every_key_is_unique(shop: Shop) -> None:
    customers = set(shop.customers["customer_id"].to_pylist())
    assert len(customers) == 2_000
    assert set(shop.orders["customer_id"].to_pylist()) <= customers
    assert set(shop.activities["customer_id"].to_pylist()) <= customers
    orders = shop.orders["order_id"].to_pylist()
    assert len(set(orders)) == len(orders)
    assert set(shop.order_lines["order_id"].to_pylist()) == set(orders)


def test_an_order_is_worth_what_its_lines_are_worth(shop: Shop) -> None:
    lines = shop.order_lines.group_by("order_id").aggregate([("amount", "sum")])
    totals = dict(zip(lines["order_id"].to_pylist(), lines["amount_sum"].to_pylist(), strict=True))
    for order, total in zip(
        shop.orders["order_id"].to_pylist(), shop.orders["total"].to_pylist(), strict=True
    ):
        assert totals[order] == total
    for row in shop.order_lines.slice(0, 200).to_pylist():
        assert row["amount"] == row["unit_price"] * row["quantity"]


def test_everything_happened_within_two_years_and_after_signing_up(shop: Shop) -> None:
    for table, column in ((shop.orders, "ordered_at"), (shop.activities, "at")):
        span = pc.min_max(table[column]).as_py()
        assert UNTIL - HISTORY <= span["min"] <= span["max"] <= UNTIL
    joined = dict(
        zip(
            shop.customers["customer_id"].to_pylist(),
            shop.customers["signed_up_on"].to_pylist(),
            strict=True,
        )
    )
    for row in shop.orders.to_pylist():
        assert row["ordered_at"].date() >= joined[row["customer_id"]] - timedelta(days=1)


def test_a_few_customers_do_most_of_it_and_some_nothing(shop: Shop) -> None:
    counts = np.sort(pc.value_counts(shop.orders["customer_id"]).field("counts").to_numpy())[::-1]
    assert counts[: len(counts) // 10].sum() > counts.sum() * 0.3
    assert len(counts) < 2_000 * 0.9
    assert shop.customers["birth_date"].null_count > 0
    assert shop.customers["customer_id"].null_count == 0


def test_the_files_hold_what_was_made(shop: Shop, tmp_path: Path) -> None:
    rows = write_shop(shop, tmp_path)
    assert rows["orders"] == shop.orders.num_rows
    assert len(list((tmp_path / "orders").glob("*.parquet"))) == 4
    assert pq.read_table(tmp_path / "orders").num_rows == shop.orders.num_rows
    assert pq.read_table(tmp_path / "customers.parquet").equals(shop.customers)


def test_the_stage_keeps_fresh_data_and_renews_what_is_old(tmp_path: Path) -> None:
    first = set_stage(tmp_path, customers=50, now=UNTIL)
    assert first.made
    assert first.segments.is_file()
    again = set_stage(tmp_path, customers=50, now=UNTIL + timedelta(hours=1))
    assert not again.made
    assert again.rows == first.rows
    assert set_stage(tmp_path, customers=60, now=UNTIL).rows["customers"] == 60
    assert set_stage(tmp_path, customers=60, now=UNTIL + timedelta(days=2)).made
