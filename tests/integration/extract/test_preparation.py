"""A store prepared from PostgreSQL is the one prepared from Parquet files that hold the same rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest
import sqlalchemy
from pyspark.sql import SparkSession
from tests.integration.extract.conftest import SourceBench
from tests.shop import write_shop

from muster_core.catalog.document import Catalog
from muster_core.catalog.text import read_catalog
from muster_core.errors import InvalidInput, SourceMissing, SourceUnavailable, SourceUnreadable
from muster_core.lake.inspect import Inspection, resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import read_head
from muster_worker.prepare.lease import PinnedSnapshot, ensure_prepared
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]

CATALOG = """
version: 1
profile:
  table: customers
  source: {customers}
  key: customer_id
tables:
  orders: {{source: {orders}, row_key: [order_id], time: ordered_at}}
  channels: {{source: {channels}}}
relationships:
  - {{name: order_customer, from: orders.customer_id, to: customers.customer_id}}
  - {{name: order_channel, from: orders.channel, to: channels.code}}
"""
PARQUET = {
    "customers": "{parquet: customers.parquet}",
    "orders": "{parquet: orders.parquet}",
    "channels": "{parquet: channels.parquet}",
}
POSTGRES = {
    "customers": "{postgres: {connection: SHOP, table: customers}}",
    "orders": "{postgres: {connection: SHOP, table: orders, watermark: ordered_at}}",
    "channels": "{postgres: {connection: SHOP, query: SELECT code FROM channels}}",
}

Row = tuple[Any, ...]


class World:
    """One shop twice: in a database, and as files written from it."""

    def __init__(self, source: SourceBench, folder: Path, database: Any, spark: Any) -> None:
        self.source, self.folder, self.database, self.spark = source, folder, database, spark
        self.settings = Settings(home=folder, lake_url=source.lake.url, partitions=2)

    def inspect(self, sources: dict[str, str]) -> Inspection:
        document = read_catalog(CATALOG.format(**sources), "c.yaml")
        return resolve_catalog(document, base=self.folder)

    def apply(self, sources: dict[str, str]) -> Catalog:
        catalog = self.inspect(sources).catalog
        with transaction(self.database) as connection:
            apply_catalog(connection, catalog)
        return catalog

    def ensure(self, engine: Callable[[], SparkSession] | None = None) -> PinnedSnapshot:
        return ensure_prepared(
            self.database, engine or (lambda: self.spark), self.settings, owner="w"
        )

    def write_files(self) -> None:
        """Write the tables of the database as Parquet files."""
        with (
            adbc_driver_postgresql.dbapi.connect(self.source.url) as connection,
            connection.cursor() as cursor,
        ):
            for table in PARQUET:
                amount = ", amount::text AS amount" if table == "orders" else ""
                columns = "order_id, customer_id, ordered_at, channel" if amount else "*"
                cursor.execute(f"SELECT {columns}{amount} FROM {table}")  # noqa: S608
                pq.write_table(cursor.fetch_arrow_table(), self.folder / f"{table}.parquet")

    def from_files(self, tmp_path: Path) -> tuple[set[Row], set[Row], set[Row]]:
        """Prepare the files in a lake of their own."""
        self.write_files()
        lake = Lake(str(tmp_path))
        tmp_path.mkdir()
        made = prepare(self.spark, lake, self.inspect(PARQUET).catalog, parent=None, partitions=2)
        return content(Store.open(lake, made.manifest_path, made.sha256))

    def stored(self, made: PinnedSnapshot) -> tuple[set[Row], set[Row], set[Row]]:
        return content(Store.open(self.source.lake, made.manifest, made.manifest_sha256))


def content(store: Store) -> tuple[set[Row], set[Row], set[Row]]:
    """Return living customers, their orders, and channels, as a reader finds them."""
    customers, orders = [], []
    for number in range(store.manifest.partitions):
        partition = store.partition(number)
        columns = partition.profile(["customer_id", "country", "age"])
        keys, *rest = (columns[n].to_pylist() for n in ("customer_id", "country", "age"))
        alive = partition.alive()
        customers += [r for r, a in zip(zip(keys, *rest, strict=True), alive, strict=True) if a]
        names = ["order_id", "ordered_at", "channel", "amount"]
        for batch in partition.rows("orders", ["_ordinal", *names]):
            rows = batch.to_pylist()
            orders += [
                (keys[r["_ordinal"]], *(str(r[n]) for n in names))
                for r in rows
                if alive[r["_ordinal"]]
            ]
    channels = store.partition(0).dimension("channels", ["code"])["code"].to_pylist()
    assert len(set(customers)) == len(customers)
    assert len(set(orders)) == len(orders)
    return set(customers), set(orders), {(c,) for c in channels}


@pytest.fixture
def world(
    source: SourceBench,
    database: sqlalchemy.Engine,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    shop = write_shop(tmp_path / "shop", customers=300, orders=2_000)
    source.run(
        "CREATE TABLE customers (customer_id text PRIMARY KEY, country text, age bigint)",
        "CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id text, ordered_at timestamptz,"
        " channel varchar(10), amount numeric(12,2))",
        "CREATE TABLE channels (code text PRIMARY KEY)",
        "INSERT INTO channels VALUES ('web'), ('shop'), ('app')",
    )
    rows = shop.frame("orders")
    rows = rows.set_column(3, "amount", rows["amount"].cast("string"))
    with (
        adbc_driver_postgresql.dbapi.connect(source.url) as connection,
        connection.cursor() as cursor,
    ):
        cursor.adbc_ingest("customers", shop.frame("customers"), mode="append")
        cursor.adbc_ingest("loaded", rows, mode="create")
        connection.commit()
    source.run(
        "INSERT INTO orders SELECT order_id, customer_id, ordered_at, channel, amount::numeric FROM loaded"
    )
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", source.url)
    return World(source, shop.folder, database, spark)


def no_engine() -> SparkSession:
    raise AssertionError("no engine session is needed here")


@pytest.mark.long
def test_both_give_one_store_whatever_happened_before(world: World, tmp_path: Path) -> None:
    # Given a store prepared from PostgreSQL
    world.apply(POSTGRES)
    first = world.ensure()
    assert world.stored(first) == world.from_files(tmp_path / "first")

    # Then nothing is prepared while nothing changes
    again = world.ensure(no_engine)
    assert again.unchanged
    assert again.id == first.id

    # When rows are added, changed and deleted
    world.source.run(
        "INSERT INTO customers VALUES ('NEW', 'FR', 33)",
        "UPDATE customers SET country = 'XX' WHERE customer_id = 'C0000001'",
        "DELETE FROM customers WHERE customer_id = 'C0000002'",
        "INSERT INTO orders SELECT 9000 + g, 'NEW', now(), 'web', 5.25 FROM generate_series(1, 5) g",
        "UPDATE orders SET amount = 1.00, ordered_at = now() WHERE order_id = 7",
        "INSERT INTO channels VALUES ('phone')",
    )
    # Then the next store is again that of the files
    assert world.stored(world.ensure()) == world.from_files(tmp_path / "second")

    # And a deleted row has gone as soon as everything is compared: a new definition starts afresh
    world.source.run("DELETE FROM orders WHERE order_id < 50")
    world.apply(POSTGRES | {"orders": "{postgres: {connection: SHOP, table: orders}}"})
    assert world.stored(world.ensure()) == world.from_files(tmp_path / "third")


def test_a_source_that_is_away_leaves_the_old_snapshot_in_use(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.apply(POSTGRES)
    first = world.ensure()
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", "postgresql://u:secret-word@127.0.0.1:1/shop")
    with pytest.raises(SourceUnavailable):
        world.ensure(no_engine)
    with transaction(world.database) as connection:
        head = read_head(connection)
    assert head.snapshot is not None
    assert head.snapshot.id == first.id
    assert not head.held
    assert head.error_class == "source_unavailable"
    assert "secret-word" not in str(head.error)
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", world.source.url)
    assert world.ensure(no_engine).id == first.id


def test_a_source_is_looked_at_no_more_often_than_it_says(world: World) -> None:
    rarely = {
        name: text.replace("connection: SHOP", "connection: SHOP, every: 1 hour")
        for name, text in POSTGRES.items()
    }
    world.apply(rarely)
    first = world.ensure()
    world.source.run("DELETE FROM orders")
    assert world.ensure(no_engine).id == first.id


def test_patience_is_no_reason_to_prepare_rows_again(world: World) -> None:
    world.apply(POSTGRES)
    first = world.ensure()
    patient = POSTGRES["orders"].replace(
        "table: orders", "table: orders, statement_timeout: 1 hour"
    )
    world.apply(POSTGRES | {"orders": patient})
    later = world.ensure()
    store = Store.open(world.source.lake, later.manifest, later.manifest_sha256)
    before = Store.open(world.source.lake, first.manifest, first.manifest_sha256)
    assert store.manifest.tables == before.manifest.tables


def test_a_catalog_is_checked_against_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.source.run("ALTER TABLE customers ADD COLUMN photo bytea, ADD COLUMN extra jsonb")
    found = world.inspect(POSTGRES)
    assert found.catalog.tables["orders"].columns == {
        "order_id": "integer",
        "customer_id": "text",
        "ordered_at": "timestamp",
        "channel": "text",
        "amount": "decimal(12,2)",
    }
    assert [w.message.split(":")[0] for w in found.warnings] == [
        "column photo of customers is left out",
        "column extra of customers is left out",
    ]
    # one table from files, the others from the database: references to these are not counted here
    world.write_files()
    mixed = POSTGRES | {"orders": PARQUET["orders"]}
    assert world.inspect(mixed).warnings == found.warnings

    gone = POSTGRES | {"orders": POSTGRES["orders"].replace("table: orders", "table: gone")}
    with pytest.raises(SourceMissing, match=r"/tables/orders/source/postgres.*gone"):
        world.inspect(gone)
    mistaken = POSTGRES | {"orders": POSTGRES["orders"].replace("ordered_at", "order_at")}
    with pytest.raises(SourceUnreadable, match="no column order_at"):
        world.inspect(mistaken)
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", world.source.url.replace("muster:", "nobody:"))
    with pytest.raises(InvalidInput) as caught:
        world.inspect(POSTGRES)
    assert len(caught.value.problems) == 3
    assert all("refused the source's login" in p.message for p in caught.value.problems)
