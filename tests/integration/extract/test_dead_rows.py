# ruff: noqa: S608 - statements of the tests' own making
"""Rows that changed or went in a PostgreSQL source: dead bits and new rows, and the same store as ever."""

from __future__ import annotations

import os
import random
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests.integration.extract.conftest import SourceBench
from tests.integration.store.shop import counts, stored

from muster_core.catalog.quantile import Sketch
from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store, verify
from muster_worker.extract.cleaning import KEPT_MANIFESTS
from muster_worker.extract.ingest import extract_due
from muster_worker.prepare.budget import FEW_ROWS
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]

CATALOG = """
version: 1
profile: {table: customers, key: id, source: {postgres: {connection: SHOP, table: customers}}}
tables:
  orders: {source: {postgres: {connection: SHOP, table: orders}}, row_key: [id], time: at}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id}
"""


class World:
    """A shop in a database, and a line of snapshots each prepared on the one before."""

    def __init__(self, source: SourceBench, spark: SparkSession, folder: Path) -> None:
        self.source, self.spark = source, spark
        document = read_catalog(CATALOG, "c.yaml")
        self.catalog = resolve_catalog(document, base=folder).catalog
        self.parent: tuple[str, str] | None = None
        self.report: dict[str, Any] = {}

    def next(self, few_rows: int = FEW_ROWS) -> Store:
        lake = self.source.lake
        extract_due(lake, self.catalog, os.environ)
        made = prepare(
            self.spark,
            lake,
            self.catalog,
            parent=self.parent,
            partitions=2,
            most_files=4,
            few_rows=few_rows,
        )
        self.report = made.report.get("tables", {}).get("orders", {})
        self.parent = made.manifest_path, made.sha256
        return Store.open(lake, *self.parent)

    def whole(self) -> Store:
        """Return what one preparation of everything gives."""
        self.parent = None
        return self.next()


@pytest.fixture
def world(
    source: SourceBench, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    # customers 1 to 200; the orders of others wait, and some have no customer or no time
    source.run(
        "CREATE TABLE customers (id bigint PRIMARY KEY)",
        "INSERT INTO customers SELECT generate_series(1, 200)",
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, at timestamptz, state text,"
        " amount numeric(12,2))",
        "INSERT INTO orders SELECT g, nullif(g * 7 % 230, 0), CASE WHEN g % 50 > 0 THEN timestamptz"
        " '2026-01-01 00:00+00' + g / 3 * interval '1 hour' END, 'new', g FROM generate_series(1, 2000) g",
    )
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", source.url)
    return World(source, spark, tmp_path)


def buckets(sketch: Sketch, shift: int | None = None) -> Counter[int]:
    """Return the rows of each bucket, made as coarse as `shift` says."""
    found: Counter[int] = Counter()
    numbers = accumulate(sketch.steps, initial=sketch.first)
    for number, count in zip(numbers, sketch.counts, strict=True):
        found[number >> ((sketch.shift if shift is None else shift) - sketch.shift)] += count
    return found


def assert_is_one_preparation(store: Store, whole: Store) -> None:
    assert stored(store, "orders") == stored(whole, "orders")
    assert counts(store, "orders") == counts(whole, "orders")
    found, fresh = (
        read_statistics(s.lake, s.manifest).tables["orders"].columns for s in (store, whole)
    )
    for name, column in found.items():
        assert column.model_copy(update={"spread": fresh[name].spread}) == fresh[name]
        mine, theirs = column.spread, fresh[name].spread
        assert (mine is None) == (theirs is None)
        if mine and theirs:  # a sketch stays as coarse as it was before rows went
            assert buckets(mine) == buckets(theirs, mine.shift)
    for file in store.manifest.tables["orders"].files:
        verify(store.lake, file)


@pytest.mark.parametrize(
    "few_rows",
    [pytest.param(0, marks=pytest.mark.long), FEW_ROWS],
    ids=["by the engine", "without"],
)
def test_changed_and_deleted_rows_die_and_nothing_else_is_read(world: World, few_rows: int) -> None:
    first = world.next()
    # waiting, left out for either reason, and ordinary ones: all change or go
    world.source.run(
        "UPDATE orders SET state = 'paid' WHERE id IN (7, 33, 50, 230, 999)",
        "UPDATE orders SET customer = 5 WHERE id IN (460, 31)",
        "DELETE FROM orders WHERE id IN (8, 34, 100, 690, 1000)",
    )
    store = world.next(few_rows)
    assert world.report["whole"] is None
    assert (world.report["rows_died"], world.report["rows_read"]) == (12, 7)
    assert (world.report["files_added"], world.report["files_rewritten"]) == (1, 0)
    assert world.report["without_engine"] == bool(few_rows)
    before, after = (s.manifest.tables["orders"] for s in (first, store))
    assert {f.path for f in before.files} < {f.path for f in after.files}
    assert sum(f.dead_rows for f in after.files) == 5
    assert sum(f.dead_rows for f in after.orphans) == 1
    assert_is_one_preparation(store, world.whole())


def change(rng: random.Random, world: World) -> None:
    few = ", ".join(str(rng.randrange(1, 2_400)) for _ in range(rng.choice([1, 5, 40])))
    ids, again = f"unnest(ARRAY[{few}]) g", "INSERT INTO orders SELECT g,"
    who = rng.choice([str(rng.randrange(1, 230)), "NULL"])
    world.source.run(
        rng.choice(
            [
                f"UPDATE orders SET state = '{rng.choice('abc')}' WHERE id IN ({few})",
                f"UPDATE orders SET customer = {who} WHERE id IN ({few})",
                f"UPDATE orders SET at = NULL WHERE id IN ({few})",
                f"UPDATE orders SET at = '2026-02-0{rng.randrange(1, 9)} 00:00+00' WHERE id IN ({few})",
                f"DELETE FROM orders WHERE id IN ({few})",
                f"{again} {who}, '2026-02-03 00:00+00', 'new', g FROM {ids} ON CONFLICT DO NOTHING",
                f"INSERT INTO customers VALUES ({rng.randrange(200, 230)}) ON CONFLICT DO NOTHING",
                f"DELETE FROM customers WHERE id = {rng.randrange(1, 230)}",
            ]
        )
    )


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3, 4))])
def test_any_sequence_of_changes_equals_one_preparation(world: World, seed: int) -> None:
    rng = random.Random(seed)
    world.next()
    for _ in range(7):
        for _ in range(rng.randrange(1, 4)):
            change(rng, world)
        if rng.random() < 0.3:  # nobody prepares for a while, and old lists of dead rows go
            for _ in range(KEPT_MANIFESTS):
                extract_due(world.source.lake, world.catalog, os.environ)
                change(rng, world)
        store = world.next(rng.choice([0, FEW_ROWS, FEW_ROWS]))
        assert world.report.get("whole") is None
    assert_is_one_preparation(store, world.whole())
