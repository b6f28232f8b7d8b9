import random

import pytest
from tests.integration.store.shop import Shop, alive, ordinals, rows

from muster_core.errors import DuplicateKeys, NullKeys, SourceUnreadable, StoreDamaged
from muster_core.lake.location import Lake
from muster_core.lake.store import Store, verify
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path / "shop")


@pytest.fixture
def lake(lake_url) -> Lake:
    return Lake(lake_url)


class Line:
    """A line of snapshots, each prepared on the one before."""

    def __init__(self, spark, lake, shop):
        self.spark, self.lake, self.shop = spark, lake, shop
        self.parent = None

    def next(self, partitions=4, catalog=None):
        self.made = prepare(
            self.spark,
            self.lake,
            catalog or self.shop.catalog(),
            parent=self.parent,
            partitions=partitions,
        )
        self.parent = self.made.manifest_path, self.made.sha256
        return Store.open(self.lake, *self.parent)


@pytest.fixture
def line(spark, lake, shop):
    return Line(spark, lake, shop)


def test_a_key_keeps_its_ordinal_through_every_later_snapshot(line, shop):
    shop.orders([])
    shop.customers([f"c{i}" for i in range(40)])
    first = line.next()
    # c0 to c9 vanish, twenty new ones come, among them some that sort before all old ones
    shop.customers([f"c{i}" for i in range(10, 40)] + [f"a{i}" for i in range(20)])
    second = line.next()
    shop.customers([f"c{i}" for i in range(5, 40)] + [f"a{i}" for i in range(25)])
    third = line.next()

    given = ordinals(first)
    assert sorted(given.values()) == sorted(f"c{i}" for i in range(40))
    for later in (second, third):
        assert ordinals(later).items() >= given.items()
        given = ordinals(later)
    assert alive(second) == {f"c{i}" for i in range(10, 40)} | {f"a{i}" for i in range(20)}
    assert alive(third) == {f"c{i}" for i in range(5, 40)} | {f"a{i}" for i in range(25)}
    assert third.manifest.customers == 60
    for number in range(4):
        keys = first.partition(number).profile(["id"])["id"].to_pylist()
        assert keys == sorted(keys)
    # a vanished customer has nothing but the key
    ages: dict[str, int | None] = {}
    for number in range(4):
        found = second.partition(number).profile(["id", "age"])
        ages |= dict(zip(found["id"].to_pylist(), found["age"].to_pylist(), strict=True))
    assert ages["c3"] is None
    assert ages["c30"] == 3


def test_rows_stand_in_the_exact_reverse_of_time_row_key_file_and_row(line, shop):
    random.seed(7)
    orders = [
        [
            (
                random.choice(["a", "b", "c"]),
                random.randrange(4),
                random.choice([None, 1, 2]),
                i + 1000 * file,
            )
            for i in range(60)
        ]
        for file in range(3)
    ]
    store = line_of(line, shop.customers(["a", "b", "c"]).orders(*orders), partitions=1)
    stored = [row["amount"] for row in partition_rows(store)]
    expected = sorted(
        (
            (o[1], o[2] or -1, f, r, o[3])
            for f, file in enumerate(orders)
            for r, o in enumerate(file)
        ),
        reverse=True,
    )
    assert stored == [e[4] for e in expected]


def line_of(line, shop, partitions):
    line.shop = shop
    return line.next(partitions)


def partition_rows(store):
    return [
        row for batch in store.partition(0).rows("orders", ["amount"]) for row in batch.to_pylist()
    ]


def test_rows_of_nobody_and_rows_without_time_are_counted_and_left_out(line, shop):
    shop.customers(["a"])
    shop.orders([("a", 1, 1, 1), (None, 1, 1, 2), ("", 1, 1, 3), ("a", None, 1, 4), ("x", 1, 1, 5)])
    table = line.next().manifest.tables["orders"]
    assert (table.rows, table.orphan_rows) == (1, 1)
    assert (table.rows_without_customer, table.rows_without_time) == (2, 1)
    assert sum(f.rows for f in table.orphans) == 1


def test_orphans_find_their_customer_without_reading_the_source_again(line, shop):
    shop.customers(["a"])
    shop.orders([("a", 1, 1, 1), ("b", 2, 2, 2), ("b", 3, 3, 3), ("c", 4, 4, 4)])
    assert set(rows(line.next())) == {"a"}
    shop.customers(["a", "b"])
    store = line.next()
    assert [r["amount"] for r in rows(store)["b"]] == [3, 2]
    assert line.made.report["tables"]["orders"]["taken_over"]
    assert store.manifest.tables["orders"].orphan_rows == 1
    shop.customers(["a", "b", "c"])
    store = line.next()
    assert set(rows(store)) == {"a", "b", "c"}
    assert store.manifest.tables["orders"].orphans == []
    for file in store.manifest.tables["orders"].files:
        verify(store.lake, file)


@pytest.mark.parametrize("seed", range(2))
def test_any_sequence_of_preparations_equals_one(spark, lake, shop, seed):
    random.seed(seed)
    line = Line(spark, lake, shop)
    everybody = [f"c{i}" for i in range(30)]
    for step in range(3):
        shop.customers(random.sample(everybody, 18))
        if step == 0 or random.random() < 0.4:
            shop.orders(
                [(random.choice([*everybody, None]), random.randrange(9), i, i) for i in range(120)]
            )
        store = line.next()
    whole = Line(spark, lake, shop).next()
    assert alive(store) == alive(whole)
    # rows in files of their own, for they had to wait for their customer, stand where one file has them
    assert [partition_in_order(store, n) for n in range(4)] == [
        partition_in_order(whole, n) for n in range(4)
    ]


def partition_in_order(store, number):
    """Return (customer, row) of every row of a customer that exists, in the order of reading."""
    partition = store.partition(number)
    keys, live = partition.profile(["id"])["id"].to_pylist(), partition.alive()
    columns = ["at", "number", "amount", "_source_file", "_source_row"]
    found = [row for batch in partition.rows("orders", columns) for row in batch.to_pylist()]
    return [(keys[o], row) for row in found if live[o := row.pop("_ordinal")]]


@pytest.mark.long
def test_the_number_of_partitions_changes_no_row(spark, lake, shop):
    random.seed(3)
    shop.customers([f"c{i}" for i in range(50)])
    shop.orders(
        [(f"c{random.randrange(60)}", random.randrange(5), i, i) for i in range(300)],
        [(f"c{random.randrange(60)}", random.randrange(5), i, i) for i in range(300)],
    )
    found = [rows(Line(spark, lake, shop).next(p)) for p in (1, 4, 16)]
    assert found[0] == found[1] == found[2]
    assert sum(map(len, found[0].values())) > 400


def test_the_partition_is_the_hash_of_the_keys_text(line, shop):
    store = line_of(line, shop.customers(["C1", "C2", "C3"]).orders([]), partitions=8)
    found = {}
    for number in range(8):
        columns = store.partition(number).profile(["id", "_key_hash"])
        for key, value in zip(*(c.to_pylist() for c in columns.values()), strict=True):
            found[key] = value
            assert value % 8 == number
    assert found["C1"] == 15225747416292411050


def test_unchanged_tables_are_taken_over_file_by_file(line, shop):
    shop.customers(["a", "b"]).orders([("a", 1, 1, 1)])
    first = line.next()
    shop.customers(["a", "b", "d"])
    second = line.next()
    assert second.manifest.tables["orders"].files == first.manifest.tables["orders"].files
    assert second.manifest.profile != first.manifest.profile
    shop.orders([("a", 1, 1, 1), ("b", 2, 2, 2)])
    third = line.next()
    assert third.manifest.profile == second.manifest.profile
    assert third.manifest.tables["orders"].rows == 2
    assert line.made.report["customers"]["taken_over"]


def test_duplicate_and_missing_keys_are_counted_over_all_partitions(spark, lake, shop):
    shop.customers(["a", "b", "c"]).orders([])
    catalog = shop.catalog()
    shop.customers(["a", "b", "a", "a", "b", "c"])
    with pytest.raises(DuplicateKeys, match="3 rows of customers repeat a key"):
        prepare(spark, lake, catalog, parent=None, partitions=4)
    shop.customers(["a", None, "", "b"])
    with pytest.raises(NullKeys, match="2 rows of customers have no id"):
        prepare(spark, lake, catalog, parent=None, partitions=4)
    assert not list(lake.root.rglob("*.json"))


def test_a_source_that_no_longer_fits_its_catalog_is_refused(spark, lake, shop):
    shop.customers(["a"]).orders([("a", 1, 1, 1)])
    catalog = shop.catalog()
    (shop.folder / "orders" / "0.parquet").write_bytes(b"nonsense")
    with pytest.raises(SourceUnreadable, match=r"0\.parquet is not readable"):
        prepare(spark, lake, catalog, parent=None, partitions=2)


def test_another_key_begins_another_generation(line, shop):
    shop.customers(["a", "b"]).orders([])
    line.next()
    text = "profile: {table: customers, key: age, source: {parquet: customers.parquet}}"
    shop.customers(["a", "bb"])
    store = line.next(catalog=shop.catalog(text))
    assert store.manifest.generation == 2
    assert store.manifest.customers == 2


def test_a_changed_manifest_is_refused(line, shop):
    store = line_of(line, shop.customers(["a"]).orders([]), partitions=1)
    path, sha256 = line.parent
    store.lake.write_bytes(path, store.lake.read_bytes(path) + b" ")
    with pytest.raises(StoreDamaged, match="not the one that was published"):
        Store.open(store.lake, path, sha256)
