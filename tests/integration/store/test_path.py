from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.store.shop import rows

from muster_core.catalog.text import read_catalog
from muster_core.errors import DuplicateKeys
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]

DATA = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"needs the handed-in data at {DATA}")

THREE_HOPS = """
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables:
  orders: {source: {parquet: orders.parquet}}
  lines: {source: {parquet: lines.parquet}, row_key: [id]}
  notes: {source: {parquet: notes.parquet}}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id}
  - {name: line, from: lines.order, to: orders.id}
  - {name: note, from: notes.line, to: lines.id}
"""


def write(folder, **tables):
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def resolve(text, folder):
    return resolve_catalog(read_catalog(text, "c.yaml"), base=folder).catalog


def prepared(spark, lake_url, catalog, partitions=4, parent=None):
    lake = Lake(lake_url)
    made = prepare(spark, lake, catalog, parent=parent, partitions=partitions)
    return Store.open(lake, made.manifest_path, made.sha256)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    write(
        folder,
        customers={"id": [1, 2, 3]},
        orders={"id": ["o1", "o2", "o3", "o4"], "customer": [1, 2, None, 9], "state": list("pqrs")},
        lines={
            "id": [10, 11, 12, 13, 14, 15, 16],
            "order": ["o1", "o1", "o2", "o3", "o4", "gone", None],
            "amount": [1, 2, 3, 4, 5, 6, 7],
        },
        notes={"line": [10, 12, 12, 15, 99], "text": ["a", "b", "c", "d", "e"]},
    )
    return folder


def test_rows_find_their_customer_over_several_tables_and_carry_their_columns(
    spark, lake_url, source
):
    store = prepared(spark, lake_url, resolve(THREE_HOPS, source))
    lines = rows(store, "lines")
    assert [(r["id"], r["orders.state"]) for r in lines[1]] == [(11, "p"), (10, "p")]
    assert [(r["amount"], r["orders.id"]) for r in lines[2]] == [(3, "o2")]
    notes = rows(store, "notes")
    assert [(r["text"], r["lines.amount"], r["orders.state"]) for r in notes[2]] == [
        ("c", 3, "q"),
        ("b", 3, "q"),
    ]
    table = store.manifest.tables["lines"]
    # of nobody: the order of no customer, the line of no order; orphans: customer 9, order "gone"
    assert (table.rows, table.rows_without_customer, table.orphan_rows) == (3, 2, 2)
    table = store.manifest.tables["notes"]
    assert (table.rows, table.rows_without_customer, table.orphan_rows) == (3, 0, 2)


def test_a_parent_that_arrives_later_brings_its_orphans(spark, lake_url, source):
    catalog = resolve(THREE_HOPS, source)
    lake = Lake(lake_url)
    first = prepare(spark, lake, catalog, parent=None, partitions=2)
    write(source, customers={"id": [1, 2, 3, 9]})
    second = prepare(
        spark, lake, catalog, parent=(first.manifest_path, first.sha256), partitions=None
    )
    assert second.report["tables"]["lines"]["taken_over"]
    store = Store.open(lake, second.manifest_path, second.sha256)
    assert [r["amount"] for r in rows(store, "lines")[9]] == [5]
    assert store.manifest.tables["lines"].orphan_rows == 1


def test_a_parent_that_repeats_its_key_is_refused(spark, lake_url, source):
    catalog = resolve(THREE_HOPS, source)
    write(source, orders={"id": ["o1", "o1"], "customer": [1, 2], "state": ["p", "q"]})
    with pytest.raises(DuplicateKeys, match=r"1 rows of orders repeat a key \(id\)"):
        prepared(spark, lake_url, catalog)


def test_a_table_with_two_ways_is_prepared_for_each(spark, lake_url, source):
    write(source, orders={"id": ["o1"], "customer": [1], "giver": [2]})
    text = """
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables:
  orders: {source: {parquet: orders.parquet}}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id}
  - {name: giver, from: orders.giver, to: customers.id}
"""
    store = prepared(spark, lake_url, resolve(text, source))
    assert set(rows(store, "orders@buyer")) == {1}
    assert set(rows(store, "orders@giver")) == {2}


@pytest.mark.long
@needs_data
def test_online_retail_comes_through_whole(spark, lake_url):
    text = """
profile: {table: customers, key: customer_id, source: {parquet: customers.parquet}}
tables:
  lines: {source: {parquet: lines.parquet}, time: invoiced_at, row_key: [line_id]}
  invoices: {source: {parquet: invoices.parquet}, time: invoiced_at, row_key: [invoice_no]}
relationships:
  - {name: buyer, from: invoices.customer_id, to: customers.customer_id}
  - {name: line, from: lines.customer_id, to: customers.customer_id}
"""
    store = prepared(spark, lake_url, resolve(text, DATA / "online_retail"))
    lines = store.manifest.tables["lines"]
    assert store.manifest.customers == 4372
    assert (lines.rows, lines.rows_without_customer, lines.orphan_rows) == (406_829, 135_080, 0)
    bought = {
        ordinal + 100_000 * number
        for number in range(4)
        for batch in store.partition(number).rows("lines", ["quantity", "unit_price"])
        for ordinal, quantity, price in zip(
            *(batch.column(i).to_pylist() for i in range(3)), strict=True
        )
        if quantity > 0 and price > 0
    }
    assert len(bought) == 4338


@needs_data
def test_northwind_order_lines_join_through_their_orders(spark, lake_url):
    text = """
profile: {table: customers, key: customer_id, source: {parquet: customers.parquet}}
tables:
  orders: {source: {parquet: orders.parquet}, time: order_date, row_key: [order_id]}
  lines: {source: {parquet: order_lines.parquet}, time: order_date}
relationships:
  - {name: buyer, from: orders.customer_id, to: customers.customer_id}
  - {name: line, from: lines.order_id, to: orders.order_id}
"""
    store = prepared(spark, lake_url, resolve(text, DATA / "northwind"))
    assert store.manifest.tables["lines"].rows == 2155
    found = rows(store, "lines", key="customer_id")
    assert len(found) == 89
    assert all(r["orders.customer_id"] == key for key, owned in found.items() for r in owned)


def test_a_parent_table_is_never_sent_through_the_driver(spark, lake_url, source):
    prepared(spark, lake_url, resolve(THREE_HOPS, source))
    names = ("autoBroadcastJoinThreshold", "adaptive.autoBroadcastJoinThreshold")
    assert [spark.conf.get(f"spark.sql.{name}") for name in names] == ["-1", "-1"]
