"""Statistics do not depend on how the rows were divided, and are told as people read them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from pyspark.sql import SparkSession
from tests.shop import Shop, write_shop
from typer.testing import CliRunner

from muster_console.cli.app import app
from muster_core.catalog.document import Catalog
from muster_core.catalog.quantile import percentile
from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.statistic import read_statistics
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import publish_snapshot, take_lease
from muster_worker.prepare.preparation import Preparation, prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("shop"), customers=2_000, orders=9_000)


@pytest.fixture(scope="module")
def catalog(shop: Shop) -> Catalog:
    text = shop.catalog.read_text().replace(
        "key: customer_id", "key: customer_id\n  columns: {country: {personal: true}}"
    )
    return resolve_catalog(read_catalog(text, "c.yaml"), base=shop.folder).catalog


@pytest.fixture(scope="module")
def prepared(
    catalog: Catalog, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lake, Preparation]:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    return lake, prepare(spark, lake, catalog, parent=None, partitions=4)


@pytest.mark.parametrize("partitions", [1, 16])
def test_the_number_of_partitions_changes_nothing(
    prepared: tuple[Lake, Preparation], catalog: Catalog, spark: SparkSession, partitions: int
):
    lake, made = prepared
    other = prepare(spark, lake, catalog, parent=None, partitions=partitions)
    assert read_statistics(lake, other.manifest) == read_statistics(lake, made.manifest)


def test_percentiles_hold_the_true_ones(prepared: tuple[Lake, Preparation], shop: Shop):
    lake, made = prepared
    known = read_statistics(lake, made.manifest)
    times = shop.frame("orders")["ordered_at"].drop_null()
    found = known.column("orders", "ordered_at")
    assert found is not None
    assert found.spread is not None
    true = np.sort(times.cast("timestamp[us]").cast("int64").to_numpy())
    for percent in (1, 25, 50, 75, 99):
        low, high = percentile(found.spread, percent)
        assert low <= true[-(-len(true) * percent // 100) - 1] <= high
        assert high - low < (true[-1] - true[0]) / 400
    ages = known.column("customers", "age")
    assert ages is not None
    assert ages.spread is not None
    assert ages.spread.shift == 0


@pytest.fixture
def in_use(
    prepared: tuple[Lake, Preparation],
    catalog: Catalog,
    database: sa.Engine,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, made = prepared
    with transaction(database) as connection:
        applied, _ = apply_catalog(connection, catalog)
        fence = take_lease(connection, owner="test", lease=timedelta(minutes=5))
        assert fence is not None
        publish_snapshot(
            connection,
            fence=fence,
            parent_id=None,
            generation=1,
            manifest=made.manifest_path,
            manifest_sha256=made.sha256,
            catalog_id=applied,
            customers=made.manifest.customers,
            report={},
        )
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAKE_URL": lake.url,
        "MUSTER_HOME": str(tmp_path / "home"),
    }.items():
        monkeypatch.setenv(name, value)


def said(*words: str, code: int = 0) -> Any:
    ended = CliRunner().invoke(app, ["catalog", "statistics", *words, "--json"])
    assert ended.exit_code == code, ended.output
    return json.loads(ended.output) if code == 0 else ended


@pytest.mark.usefixtures("in_use")
def test_the_command_tells_what_columns_hold(shop: Shop):
    (orders,) = said("orders")
    columns = {column["column"]: column for column in orders["columns"]}
    total = columns["amount"]
    true = shop.frame("orders")["amount"]
    assert (total["rows"], total["minimum"]) == (9_000, str(pc.min(true).as_py()))
    assert [p["percent"] for p in total["percentiles"]] == [1, 5, 25, 50, 75, 95, 99]
    assert columns["ordered_at"]["minimum"] == str(
        pc.min(shop.frame("orders")["ordered_at"]).as_py().isoformat()
    )
    ((customers),) = said("customers", "age")
    (age,) = customers["columns"]
    ages = pc.value_counts(shop.frame("customers")["age"].drop_null()).to_pylist()
    assert age["distinct"] == len(ages)
    assert age["nulls"] == shop.frame("customers")["age"].null_count
    assert age["top"][0]["rows"] == max(found["counts"] for found in ages)
    middle = np.sort(shop.frame("customers")["age"].drop_null().to_numpy())
    fifty = next(p for p in age["percentiles"] if p["percent"] == 50)
    assert fifty["low"] == fifty["high"] == middle[-(-len(middle) // 2) - 1]
    shown = CliRunner().invoke(app, ["catalog", "statistics", "orders"])
    assert "ordered_at" in shown.output
    assert shown.exit_code == 0
    shown = CliRunner().invoke(app, ["catalog", "statistics", "customers", "age"])
    assert "most frequent" in shown.output


@pytest.mark.usefixtures("in_use")
def test_of_personal_columns_no_value_is_told():
    (found,) = said("customers", "country")[0]["columns"]
    assert found["personal"]
    assert found["rows"] == 2_000
    values = ("distinct", "minimum", "maximum")
    assert [found[name] for name in values] == [None] * 3
    assert (found["percentiles"], found["top"]) == ([], [])


@pytest.mark.usefixtures("in_use")
def test_a_table_or_column_that_is_not_there_is_told_with_the_nearest():
    for words in (("order",), ("orders", "amont")):
        ended = CliRunner().invoke(app, ["catalog", "statistics", *words])
        assert "has no" in str(ended.exception)
        assert "amount" in str(ended.exception) or "orders" in str(ended.exception)
