"""Dimensions and one-to-one tables, from their sources to a partition that looks keys up."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.text import read_catalog
from muster_core.errors import DuplicateKeys, StoreDamaged
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.lookup import KeyIndex
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store, verify, write_snapshot
from muster_worker.prepare.preparation import Preparation, prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]

START = datetime(2026, 1, 1, tzinfo=UTC)

CATALOG = """
profile:
  table: customers
  key: id
  source: {parquet: customers.parquet}
  columns: {name: {personal: true}}
tables:
  orders: {source: {parquet: orders.parquet}, row_key: [id], time: at}
  lines: {source: {parquet: lines.parquet}, row_key: [number]}
  loyalty: {source: {parquet: loyalty.parquet}}
  products: {source: {parquet: products}, columns: {maker: {personal: true}}}
  brands: {source: {parquet: brands.parquet}}
  stores: {source: {parquet: stores.parquet}}
  adrift: {source: {parquet: brands.parquet}}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id}
  - {name: line, from: lines.order, to: orders.id}
  - {name: item, from: lines.sku, to: products.sku}
  - {name: brand, from: products.brand, to: brands.id}
  - {name: shop, from: orders.store, to: stores.id}
  - {name: home, from: customers.home, to: stores.id}
  - {name: card, from: loyalty.customer, to: customers.id, kind: one_to_one}
"""

SOURCES = {
    "customers": {"id": ["a", "b", "c"], "home": [1, None, 3], "name": ["Ann", "Bob", "Cem"]},
    "orders": {
        "id": [1, 2, 3, 4],
        "customer": ["a", "b", "z", "a"],
        "store": [1, 2, 2, 9],
        "at": [START + timedelta(days=d) for d in range(4)],
    },
    "lines": {
        "number": [1, 2, 3, 4, 5],
        "order": [1, 1, 2, 3, 9],
        "sku": ["s1", "gone", "s2", None, "s1"],
    },
    "loyalty": {"customer": ["a", "c", "y"], "tier": ["gold", None, "tin"]},
    "brands": {"id": [7, 8], "country": ["FR", "DE"]},
    "stores": {"id": [3, 1, 2], "city": ["Rome", "Bonn", "Oslo"]},
}
PRODUCTS = [
    {"sku": ["s2", None, "s9"], "brand": [8, 7, None], "maker": ["x", "y", "z"]},
    {"sku": ["s1", ""], "brand": [7, 8], "maker": ["x", "y"]},
]


class Sources:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "products").mkdir(parents=True)
        self.write(**SOURCES)
        self.products(*PRODUCTS)

    def write(self, **tables):
        for name, columns in tables.items():
            pq.write_table(pa.table(columns), self.folder / f"{name}.parquet")

    def products(self, *files):
        for number, columns in enumerate(files):
            pq.write_table(pa.table(columns), self.folder / f"products/{number}.parquet")

    def catalog(self, text=CATALOG):
        return resolve_catalog(read_catalog(text, "c.yaml"), base=self.folder).catalog


@dataclass(frozen=True)
class World:
    """Sources that were prepared once, as they were then; each test changes them and goes on from there."""

    sources: Sources
    lake: Lake
    made: Preparation

    @property
    def parent(self):
        return self.made.manifest_path, self.made.sha256


@pytest.fixture(scope="module")
def prepared(spark, tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("dimension")
    sources = Sources(folder / "sources")
    shutil.copytree(sources.folder, folder / "pristine")
    (folder / "lake").mkdir()
    lake = Lake(str(folder / "lake"))
    made = prepare(spark, lake, sources.catalog(), parent=None, partitions=2)
    return World(sources, lake, made)


@pytest.fixture
def world(prepared: World) -> World:
    folder = prepared.sources.folder
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "pristine", folder)  # with the times of the files
    return prepared


@pytest.fixture
def lake(world: World) -> Lake:
    return world.lake


@pytest.fixture
def sources(world: World) -> Sources:
    return world.sources


def opened(lake, made):
    return Store.open(lake, made.manifest_path, made.sha256)


def after(made):
    return made.manifest_path, made.sha256


def known_column(statistics, table, column):
    found = statistics.column(table, column) or statistics.dimension(table, column)
    assert found is not None
    return found


def looked_up(store, table, column, dimension, key, wanted):
    """Return (customer key or None for the dead, value found in the dimension) of every row."""
    found: list[tuple[str, object]] = []
    for number in range(store.manifest.partitions):
        partition = store.partition(number)
        customers = partition.profile(["id"])["id"].to_pylist()
        held = partition.dimension(dimension, [key, wanted])
        index = KeyIndex(held[key])
        for batch in partition.rows(table, [column]):
            places = index.find(batch.column(1)).tolist()
            values = [None if p < 0 else held[wanted][p].as_py() for p in places]
            found += zip([customers[o] for o in batch.column(0).to_pylist()], values, strict=True)
    return sorted(found, key=str)


def test_dimensions_are_stored_once_and_found_from_rows_parents_and_profile(world):
    store = opened(world.lake, world.made)
    found = store.manifest.dimensions
    # customers and orders lie on every path, and nothing refers to the other tables
    assert {name: (d.keys, d.rows, d.rows_without_key) for name, d in found.items()} == {
        "brands": (["id"], 2, 0),
        "products": (["sku"], 3, 2),
        "stores": (["id"], 3, 0),
    }
    for dimension in found.values():
        verify(world.lake, dimension.file)
    partition = store.partition(0)
    held = partition.dimension("products", ["sku", "maker"])
    assert held["sku"].to_pylist() == ["s1", "s2", "s9"]
    assert pa.types.is_dictionary(held["sku"].type)
    assert store.partition(1).dimension("products", ["sku"])["sku"] is held["sku"]

    assert looked_up(store, "lines", "sku", "products", "sku", "brand") == [
        ("a", 7), ("a", None), ("b", 8),
    ]  # fmt: skip
    assert looked_up(store, "lines", "orders.store", "stores", "id", "city") == [
        ("a", "Bonn"), ("a", "Bonn"), ("b", "Oslo"),
    ]  # fmt: skip
    with pytest.raises(StoreDamaged, match="no dimension colours"):
        partition.dimension("colours", ["id"])
    with pytest.raises(StoreDamaged, match="no column colour"):
        partition.dimension("brands", ["colour"])


def test_a_changed_dimension_is_all_that_is_written(spark, world, lake, sources):
    catalog, first = sources.catalog(), world.made
    sources.write(brands={"id": [7, 8, 9], "country": ["FR", "AT", "IT"]})
    second = prepare(spark, lake, catalog, parent=after(first))
    one, two = first.manifest, second.manifest
    assert two.profile == one.profile
    assert two.tables == one.tables
    same = {name for name, d in two.dimensions.items() if d == one.dimensions[name]}
    assert same == {"products", "stores"}
    assert {n: d["taken_over"] for n, d in second.report["dimensions"].items()} == {
        "brands": False, "products": True, "stores": True,
    }  # fmt: skip
    countries = opened(lake, second).partition(0).dimension("brands", ["country"])["country"]
    assert countries.to_pylist() == ["FR", "AT", "IT"]
    folder = lake.root / Path(second.manifest_path).parent
    assert len(os.listdir(folder)) == 3  # the dimension, the statistics, the manifest
    third = prepare(spark, lake, catalog, parent=after(second))
    assert third.unchanged


def test_a_dimension_that_repeats_a_key_fails_the_preparation(spark, world, lake, sources):
    catalog = sources.catalog()
    sources.products({"sku": ["s1", "s2", "s2"], "brand": [7] * 3, "maker": ["x"] * 3})
    with pytest.raises(DuplicateKeys, match=r"2 rows of products repeat a key \(sku\)") as caught:
        prepare(spark, lake, catalog, parent=world.parent)
    assert "s2" not in str(caught.value)


def test_a_snapshot_from_before_there_were_dimensions_is_read_and_completed(spark, world, lake):
    made = world.made
    old = made.manifest.model_dump(by_alias=True, exclude={"dimensions", "statistics"})
    assert made.manifest.model_validate(old).dimensions == {}
    before = made.manifest.model_copy(update={"dimensions": {}, "statistics": None})
    path, sha256 = write_snapshot(lake, "old", before)
    second = prepare(spark, lake, world.sources.catalog(), parent=(path, sha256))
    assert second.manifest.tables == made.manifest.tables
    assert set(second.manifest.dimensions) == {"brands", "products", "stores"}
    known = read_statistics(lake, second.manifest)
    assert known.column("loyalty", "tier") is None
    assert known.dimension("brands", "country") is not None
    assert read_statistics(lake, before).tables == {}


def test_a_customer_with_two_rows_of_a_one_to_one_table_fails_the_preparation(spark, world, lake):
    loyalty = world.made.manifest.tables["loyalty"]
    assert (loyalty.rows, loyalty.orphan_rows) == (2, 1)
    catalog = world.sources.catalog()
    # one of a customer, and one of a key that may become a customer
    rows = {"customer": ["a", "a", "y", "y", None, None], "tier": ["gold"] * 6}
    world.sources.write(loyalty=rows)
    with pytest.raises(DuplicateKeys, match="2 rows of loyalty belong to a customer who has one"):
        prepare(spark, lake, catalog, parent=world.parent)


def test_statistics_tell_what_columns_hold_and_follow_what_is_prepared(spark, world, lake, sources):
    known = read_statistics(lake, world.made.manifest)
    home = known_column(known, "customers", "home")
    assert (home.rows, home.nulls, home.minimum, home.maximum) == (3, 1, 1, 3)
    assert home.values == {"1": 1, "3": 1}
    assert known_column(known, "customers", "name").values is None  # personal
    # orphans count: order 3 of the customer z, who may come
    assert known_column(known, "orders", "store").values == {"1": 1, "2": 2, "9": 1}
    parents = known_column(known, "lines", "orders.customer")
    assert parents.values == {"a": 2, "b": 1, "z": 1}
    assert parents.nulls == 1  # the line of an order nobody knows
    assert known_column(known, "products", "maker").values is None  # personal
    brand = known_column(known, "products", "brand")
    assert (brand.nulls, brand.values) == (1, {"7": 1, "8": 1})
    # a table that is read again is counted again; a column that becomes personal loses its values
    sources.write(loyalty={"customer": ["a"], "tier": ["silver"]})
    personal = "orders.parquet}, columns: {store: {personal: true}}"
    marked = sources.catalog(CATALOG.replace("orders.parquet}", personal))
    made = prepare(spark, lake, marked, parent=world.parent)
    again = read_statistics(lake, made.manifest)
    assert known_column(again, "loyalty", "tier").values == {"silver": 1}
    assert again.tables["customers"] == known.tables["customers"]
    assert again.dimensions == known.dimensions
    assert made.report["tables"]["orders"]["taken_over"]
    hidden = known_column(again, "orders", "store")
    assert (hidden.rows, hidden.values, hidden.maximum) == (4, None, None)
