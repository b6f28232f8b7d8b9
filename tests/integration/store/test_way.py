"""From sources over preparation to members: several relationships, several ways, and tables looked up."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Catalog
from muster_core.catalog.text import read_catalog
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.rules.document import SegmentDocument
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]

START = datetime(2026, 1, 1, tzinfo=UTC)

#: Lines belong to orders, orders to a buyer and to a store; a store has a manager, who is a customer too.
CATALOG = """
profile: {table: people, key: id, source: {parquet: people.parquet}}
tables:
  lines: {source: {parquet: lines.parquet}, row_key: [id]}
  orders: {source: {parquet: orders.parquet}, row_key: [id], time: at}
  stores: {source: {parquet: stores.parquet}}
  regions: {source: {parquet: regions.parquet}}
relationships:
  - {name: line, from: lines.order, to: orders.id}
  - {name: buyer, from: orders.buyer, to: people.id}
  - {name: store, from: orders.store, to: stores.id}
  - {name: manager, from: stores.manager, to: people.id}
  - {name: region, from: stores.region, to: regions.code}
"""

SOURCES = {
    "people": {"id": ["ann", "bob", "cem", "dee"]},
    "orders": {
        "id": [1, 2, 3, 4, 5],
        "buyer": ["ann", "bob", "eve", "ann", None],
        "store": [10, 20, 10, None, 99],
        "at": [START + timedelta(days=d) for d in range(5)],
    },
    "lines": {
        "id": [11, 12, 21, 31, 41, 51, 61],
        "order": [1, 1, 2, 3, 4, 5, 6],
        "price": [5, 7, 9, 1, 2, 3, 4],
    },
    "stores": {"id": [10, 20], "manager": ["dee", "eve"], "region": ["N", "gone"]},
    "regions": {"code": ["N", "S"], "climate": ["cold", "warm"]},
}


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory):
    """The shop without eve, and the one after she became a customer, prepared on top of it."""
    folder = tmp_path_factory.mktemp("ways")
    for name, columns in SOURCES.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    catalog = resolve_catalog(read_catalog(CATALOG, "c.yaml"), base=folder).catalog
    (folder / "lake").mkdir()
    lake = Lake(str(folder / "lake"))
    first = prepare(spark, lake, catalog, parent=None, partitions=2)
    people = {"id": ["ann", "bob", "cem", "dee", "eve"]}
    pq.write_table(pa.table(people), folder / "people.parquet")
    second = prepare(spark, lake, catalog, parent=(first.manifest_path, first.sha256))
    assert all(table["taken_over"] for table in second.report["tables"].values())
    return [Store.open(lake, made.manifest_path, made.sha256) for made in (first, second)]


def members(store: Store, *conditions) -> list[set[str]]:
    catalog: Catalog = store.manifest.catalog
    segments = [
        PlannedSegment(
            segment_id=number + 1,
            document=SegmentDocument.model_validate(
                {"name": f"s{number}", "rules": [{"where": where}]}
            ),
            previous=None,
        )
        for number, where in enumerate(conditions)
    ]
    plan = compile_plan(segments, catalog, START + timedelta(days=30))
    found: list[set[str]] = [set() for _ in conditions]
    for number in range(store.manifest.partitions):
        partition = store.partition(number)
        keys = partition.profile(["id"])["id"].to_pylist()
        words = evaluate(plan, partition).words
        for bit, known in enumerate(found):
            known |= {key for key, word in zip(keys, words[:, 0], strict=True) if word >> bit & 1}
    return found


def rows(table, *via, where=None, **rest):
    condition = {"kind": "rows", "table": table, "aggregate": {"function": "exists"}, **rest}
    return condition | ({"via": list(via)} if via else {}) | ({"where": where} if where else {})


def attribute(column, compare, value):
    return {"kind": "attribute", "column": column, "compare": compare, "value": value}


def test_each_way_gives_its_own_owners_and_orphans_come_home(shop):
    asked = [
        rows("orders", "buyer"),
        rows("orders", "store", "manager"),
        rows("lines", "line", "buyer"),
        rows("lines", "line", "store", "manager", where=attribute("price", "gt", 8)),
        rows("stores"),
    ]
    assert members(shop[0], *asked) == [
        {"ann", "bob"}, {"dee"}, {"ann", "bob"}, set(), {"dee"},
    ]  # fmt: skip
    # eve bought order 3 and manages store 20: she waited at every hop
    assert members(shop[1], *asked) == [
        {"ann", "bob", "eve"}, {"dee", "eve"}, {"ann", "bob", "eve"}, {"eve"}, {"dee", "eve"},
    ]  # fmt: skip


def test_predicates_on_tables_of_the_way_hold_on_the_same_row(shop):
    small = attribute("price", "lt", 6)
    asked = [
        rows("lines", "line", "buyer", where={
            "kind": "all", "of": [small, attribute("orders.id", "lt", 3)]}),
        rows("lines", "line", "buyer", where=attribute("orders.id", "eq", 3)),
        rows("lines", "line", "store", "manager", where=attribute("stores.id", "eq", 10)),
        rows("lines", "line", "buyer", aggregate={"function": "sum", "column": "price"},
             compare="eq", value=14),
    ]  # fmt: skip
    assert members(shop[0], *asked) == [{"ann"}, set(), {"dee"}, {"ann"}]
    assert members(shop[1], *asked) == [{"ann"}, {"eve"}, {"dee"}, {"ann"}]


def test_a_table_on_one_way_is_looked_up_from_another(shop):
    cold = attribute("regions.climate", "eq", "cold")
    asked = [
        rows("orders", "buyer", where=attribute("stores.region", "eq", "N")),
        rows("lines", "line", "buyer", where=cold),
        rows("lines", "line", "buyer", where=attribute("store.manager", "eq", "eve")),
        # over the store as a table of the way, its region is looked up from there
        rows("lines", "line", "store", "manager", where=cold),
        # no store, and one whose region is unknown: both without a climate
        rows("orders", "buyer", where=attribute("region.climate", "ne", "cold")),
    ]
    assert members(shop[0], *asked) == [{"ann"}, {"ann"}, {"bob"}, {"dee"}, {"ann", "bob"}]
    assert members(shop[1], *asked) == [
        {"ann", "eve"}, {"ann", "eve"}, {"bob"}, {"dee"}, {"ann", "bob"},
    ]  # fmt: skip


def test_every_way_is_prepared_under_its_own_name(shop):
    assert set(shop[0].manifest.tables) == {
        "orders@buyer", "orders@store/manager", "stores",
        "lines@line/buyer", "lines@line/store/manager",
    }  # fmt: skip
    assert set(shop[0].manifest.dimensions) == {"stores", "regions"}
