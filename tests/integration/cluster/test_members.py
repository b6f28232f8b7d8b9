"""The same members from files and from a database, whatever engine works and however many partitions there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from tests.integration.cluster.conftest import Cluster
from tests.shop import CATALOG, LAST_ORDER, Shop, in_country, ordered, segment, spent
from tests.waiting import eventually

from muster_core.catalog.text import read_catalog
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.rules.document import parse_segment
from muster_worker.client import EngineClient
from muster_worker.evaluate.job import run_job, write_plan
from muster_worker.evaluate.task import TaskInput
from muster_worker.extract.ingest import extract_due
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark, pytest.mark.long]

POSTGRES = CATALOG.replace(
    "{parquet: customers.parquet}", "{postgres: {connection: SHOP, table: customers}}"
).replace("{parquet: orders}", "{postgres: {connection: SHOP, table: orders}}")

SEGMENTS = {
    "british": in_country("GB"),
    "regulars": ordered(8),
    "lately": ordered(1, within="90 days"),
    "online": ordered(3, within="1 year", channel="web"),
    "spenders": spent("700.50"),
    "quiet": {"kind": "not", "of": ordered(1, within="300 days")},
    "both": {"kind": "all", "of": [in_country("DE"), ordered(5), spent("400")]},
}


@pytest.fixture
def shop_database(postgres_url: str, shop: Shop) -> Iterator[str]:
    """A database with the rows of the shop's files."""
    name = "source_of_the_cluster"
    url = f"{postgres_url.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        with (
            adbc_driver_postgresql.dbapi.connect(url) as connection,
            connection.cursor() as cursor,
        ):
            orders = shop.frame("orders")
            place = orders.schema.get_field_index("amount")
            as_text = orders.set_column(place, "amount", orders["amount"].cast("string"))
            cursor.adbc_ingest("customers", shop.frame("customers"), mode="create")
            cursor.adbc_ingest("orders", as_text, mode="create")
            connection.commit()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE orders ALTER amount TYPE numeric(12,2) USING amount::numeric"
            )
        yield url
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.timeout(900)
def test_members_depend_on_neither_source_nor_engine_nor_partitions(
    cluster: Cluster,
    engine_url: str,
    shop: Shop,
    shop_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", shop_database)
    eventually(lambda: len(cluster.executors()) == 2, 60)
    expected: dict[str, set[str]] | None = None
    for engine, url in (("local", engine_url), ("cluster", cluster.url)):
        client = client_of(url)
        try:
            for source, catalog in (("parquet", CATALOG), ("postgres", POSTGRES)):
                for partitions in (1, 4, 16):
                    case = f"{engine}-{source}-{partitions}"
                    lake = tmp_path / case
                    lake.mkdir()
                    found = members(client.session(), Lake(str(lake)), catalog, shop, partitions)
                    if expected is None:
                        expected = found
                        check(shop, found)
                    assert found == expected, case
        finally:
            client.discard()


def client_of(url: str) -> EngineClient:
    return EngineClient(lambda: url)


def check(shop: Shop, found: dict[str, set[str]]) -> None:
    """Hold two segments against the rows, so that equal is not equally wrong."""
    customers = shop.frame("customers")
    british = customers.filter(pc.field("country") == "GB")["customer_id"].to_pylist()
    assert found["british"] == set(british)
    totals = shop.frame("orders").group_by("customer_id").aggregate([("amount", "sum")])
    assert found["spenders"] == {
        row["customer_id"] for row in totals.to_pylist() if float(row["amount_sum"]) >= 700.5
    }
    assert all(0 < len(keys) < shop.customers for keys in found.values())


def members(
    spark: SparkSession, lake: Lake, text: str, shop: Shop, partitions: int
) -> dict[str, set[str]]:
    """Prepare the shop on an engine and return the members of every segment."""
    catalog = resolve_catalog(read_catalog(text, "catalog.yaml"), base=shop.folder).catalog
    extract_due(lake, catalog, os.environ)
    made = prepare(spark, lake, catalog, parent=None, partitions=partitions)
    assert made.manifest.partitions == partitions
    planned = [
        PlannedSegment(
            segment_id=number + 1, document=parse_segment(segment(name, where)), previous=None
        )
        for number, (name, where) in enumerate(SEGMENTS.items())
    ]
    plan = compile_plan(planned, catalog, LAST_ORDER)
    given = TaskInput(
        lake_url=lake.url,
        plan=write_plan(lake, "matrix", plan),
        plan_sha256=plan.sha256,
        snapshot=made.manifest_path,
        snapshot_sha256=made.sha256,
        directory="matrix",
    )
    evaluation = run_job(spark, plan, given, partitions=partitions, progress=lambda *_: None)
    return _read(lake, Store.open(lake, made.manifest_path, made.sha256), evaluation)


def _read(lake: Lake, store: Store, evaluation: Any) -> dict[str, set[str]]:
    files = {file.partition: file.path for file in evaluation.files}
    found: dict[str, set[str]] = {name: set() for name in SEGMENTS}
    for number in range(store.manifest.partitions):
        keys = store.partition(number).profile(["customer_id"])["customer_id"].to_pylist()
        words = pq.read_table(lake.locate(files[number]))["w0"].to_pylist()
        for place, name in enumerate(SEGMENTS):
            bit = evaluation.bits[place + 1]
            found[name] |= {k for k, w in zip(keys, words, strict=True) if w >> bit & 1}
    for place, name in enumerate(SEGMENTS):
        assert evaluation.tallies[place + 1].count == len(found[name])
    return found
