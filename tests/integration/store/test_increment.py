"""Increments: what they read, and that any sequence of them is one preparation of what is there."""

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.store.shop import alive, counts, stored

from muster_core.catalog.text import read_catalog
from muster_core.errors import DuplicateKeys
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store, verify
from muster_worker.prepare.budget import FEW_ROWS, Budget
from muster_worker.prepare.preparation import prepare

pytestmark = [pytest.mark.integration, pytest.mark.spark]

CATALOG = """
profile: {table: customers, key: id, source: {parquet: customers}}
tables:
  orders: {source: {parquet: orders}, time: at}
  lines: {source: {parquet: lines}, time: at, row_key: [item]}
  cards: {source: {parquet: cards}}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id}
  - {name: line, from: lines.order, to: orders.id}
  - {name: card, from: cards.customer, to: customers.id, kind: one_to_one}
"""

START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMAS = {
    "customers": pa.schema([("id", pa.string())]),
    "orders": pa.schema(
        [("id", pa.int64()), ("customer", pa.string()), ("at", pa.timestamp("us", "UTC"))]
    ),
    "lines": pa.schema(
        [("order", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("item", pa.string())]
    ),
    "cards": pa.schema([("customer", pa.string()), ("color", pa.string())]),
}


def minute(number):
    return None if number is None else START + timedelta(minutes=number)


class World:
    """Source files, and a line of snapshots each prepared on the one before."""

    def __init__(self, spark, folder, most_files=2, few_rows=FEW_ROWS):
        self.spark, self.folder = spark, folder
        self.most_files, self.few_rows = most_files, few_rows
        self.lake = Lake(str(folder / "lake"))
        self.parent = None
        for table in SCHEMAS:
            (folder / table).mkdir(parents=True)
        self.write("customers", "0", [("a",), ("b",), ("c",)])
        self.write("orders", "0", [(1, "a", minute(1)), (2, "b", minute(2)), (3, "z", minute(3))])
        self.write("lines", "5", [(1, minute(1), "x"), (2, minute(2), "y"), (9, minute(2), "w")])
        self.write("lines", "6", [(1, minute(5), "x"), (3, minute(2), "v"), (None, minute(1), "u")])
        self.write("cards", "0", [("a", "red"), ("z", "blue")])

    def path(self, table, name):
        return self.folder / table / f"{name}.parquet"

    def write(self, table, name, rows):
        columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMAS[table])
        arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMAS[table], strict=True)]
        fresh = self.folder / "fresh"
        pq.write_table(pa.table(arrays, schema=SCHEMAS[table]), fresh)
        fresh.replace(self.path(table, name))

    def write_changed(self, table, files):
        """Write those of the files that are not there or hold other rows."""
        for name, rows in files.items():
            wanted = [dict(zip(SCHEMAS[table].names, row, strict=True)) for row in rows]
            path = self.path(table, name)
            if not path.exists() or pq.read_table(path).to_pylist() != wanted:
                self.write(table, name, rows)

    def spoil(self, table, name):
        """Make a file unreadable that looks as it was: whoever opens it fails."""
        path = self.path(table, name)
        known = path.stat()
        path.write_bytes(b"?" * known.st_size)
        os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))

    def catalog(self):
        return resolve_catalog(read_catalog(CATALOG, "c.yaml"), base=self.folder).catalog

    def next(self, catalog=None):
        self.made = prepare(
            self.spark,
            self.lake,
            catalog or self.catalog(),
            parent=self.parent,
            partitions=2,
            most_files=self.most_files,
            few_rows=self.few_rows,
        )
        self.parent = self.made.manifest_path, self.made.sha256
        return Store.open(self.lake, *self.parent)

    def report(self, table):
        return self.made.report["tables"][table]


@pytest.fixture(
    params=[pytest.param(0, marks=pytest.mark.long), FEW_ROWS], ids=["by the engine", "without"]
)
def world(spark, tmp_path, request) -> World:
    return World(spark, tmp_path / "world", few_rows=request.param)


@pytest.fixture
def mixed(spark, tmp_path) -> World:
    return World(spark, tmp_path / "mixed")


def assert_is_one_preparation(store, whole):
    assert alive(store) == alive(whole)
    statistics = [read_statistics(s.lake, s.manifest).tables for s in (store, whole)]
    for table in ("orders", "lines", "cards"):
        assert stored(store, table) == stored(whole, table)
        assert counts(store, table) == counts(whole, table)
        assert statistics[0][table] == statistics[1][table]
        for file in store.manifest.tables[table].files:
            verify(store.lake, file)


def change(rng, world, files, everybody):
    """Make one random change of the sources; `files` holds the rows of every file by table."""
    table = rng.choice(["customers", "orders", "lines", "lines", "cards"])
    known = files[table]
    if table == "customers":
        known["0"] = [(key,) for key in rng.sample(everybody, 7)]
    elif table == "cards":
        owners = {row[0] for rows in known.values() for row in rows}
        free = [key for key in everybody if key not in owners]
        known[f"{rng.random():.4f}"] = [(key, rng.choice("rgb")) for key in free[:2]]
    elif table == "orders":
        rewritten = rng.choice(list(known)) if rng.random() < 0.25 else None
        first = 1 + max((row[0] for rows in known.values() for row in rows), default=0)
        numbers = [row[0] for row in known[rewritten]] if rewritten else range(first, first + 5)
        known[rewritten or f"{rng.random():.4f}"] = [
            (n, rng.choice([*everybody, None]), minute(rng.choice([1, 2, 3, None])))
            for n in numbers
        ]
    else:
        kind = rng.choice(["add", "add", "rewrite", "remove"])
        name = rng.choice(list(known)) if kind != "add" else f"{rng.random():.4f}"
        if kind == "remove" and len(known) > 2:
            del known[name]
            world.path("lines", name).unlink()
            return
        known[name] = [
            (rng.choice([*range(1, 20), None]), minute(rng.choice([*range(6), None])), item)
            for item in rng.choices(["x", "y", "", "z"], k=15)
        ]
    world.write_changed(table, known)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2)])
def test_any_sequence_of_increments_equals_one_preparation(mixed, seed):
    world = mixed
    rng = random.Random(seed)
    everybody = [f"c{i}" for i in range(10)]
    files: dict[str, dict[str, list[Any]]] = {
        "customers": {"0": [(key,) for key in everybody[:6]]},
        "orders": {"0": [(n, rng.choice(everybody), minute(n)) for n in range(1, 9)]},
        "lines": {
            name: [(rng.randrange(1, 20), minute(rng.randrange(6)), "x") for _ in range(20)]
            for name in ("5", "6")
        },
        "cards": {"0": [(key, "red") for key in everybody[:2]]},
    }
    for table, known in files.items():
        for name, rows in known.items():
            world.write(table, name, rows)
    catalog = world.catalog()
    world.next(catalog)
    for _ in range(5):
        for _ in range(rng.randrange(1, 3)):
            change(rng, world, files, everybody)
        world.few_rows = rng.choice([0, FEW_ROWS, FEW_ROWS])
        store = world.next(catalog)
        engine = {table["without_engine"] for table in world.made.report["tables"].values()}
        assert engine == {True} or not world.few_rows
    world.parent = None
    assert_is_one_preparation(store, world.next(catalog))


def test_an_added_file_is_all_that_is_read(world):
    catalog = world.catalog()
    first = world.next(catalog)
    for name in ("5", "6"):
        world.spoil("lines", name)
    world.write("lines", "4", [(2, minute(2), "y"), (2, minute(9), "y"), (2, None, "y")])
    second = world.next(catalog)
    report = world.report("lines")
    assert (report["rows_read"], report["files_added"], report["whole"]) == (3, 1, None)
    lines = [t.manifest.tables["lines"] for t in (first, second)]
    assert {f.path for f in lines[0].files} < {f.path for f in lines[1].files}
    rows = [(r["at"], os.path.basename(r["_source_file"])) for r in stored(second, "lines")["b"]]
    # a later file whose name comes first stands first in ties, as one preparation places it
    assert rows == [
        (minute(9), "4.parquet"),
        (minute(2), "5.parquet"),
        (minute(2), "4.parquet"),
    ]
    assert world.report("orders")["taken_over"]


def test_a_table_on_the_way_that_gains_rows_resolves_what_waits_without_reading_it_again(world):
    catalog = world.catalog()
    assert counts(world.next(catalog), "lines") == (5, 1, 0)
    for name in ("5", "6"):
        world.spoil("lines", name)
    world.write("orders", "1", [(9, "c", minute(4)), (10, None, minute(4))])
    store = world.next(catalog)
    assert world.report("lines")["whole"] is None
    (row,) = stored(store, "lines")["c"]
    assert (row["item"], row["orders.id"], row["orders.at"]) == ("w", 9, minute(4))
    # a key that comes twice is found although no line is read
    world.write("orders", "2", [(9, "b", minute(4))])
    with pytest.raises(DuplicateKeys, match="1 rows of orders repeat a key"):
        world.next(catalog)


def test_a_rewritten_file_takes_its_rows_away_and_a_rewritten_parent_prepares_its_children(world):
    catalog = world.catalog()
    world.write("lines", "7", [(1, minute(7), "t")])
    world.next(catalog)
    world.write("lines", "8", [(1, minute(8), "r")])
    world.write("lines", "6", [(2, minute(6), "s")])
    store = world.next(catalog)
    report = world.report("lines")
    assert (report["files_added"], report["files_rewritten"], report["rows_read"]) == (1, 1, 2)
    found = {key: [r["item"] for r in rows] for key, rows in stored(store, "lines").items()}
    assert found == {"a": ["r", "t", "x"], "b": ["s", "y"]}
    world.write("orders", "0", [(1, "b", minute(1)), (2, "b", minute(2)), (3, "z", minute(3))])
    store = world.next(catalog)
    assert world.report("lines")["whole"] == "rows of orders changed"
    assert [r["item"] for r in stored(store, "lines")["b"]] == ["r", "t", "s", "y", "x"]


def test_a_second_row_of_a_one_to_one_table_is_found_in_a_later_file(world):
    catalog = world.catalog()
    world.next(catalog)
    for twice in ("a", "z"):
        world.write("cards", "1", [("b", "red"), (twice, "red")])
        with pytest.raises(DuplicateKeys, match="1 rows of cards belong to a customer"):
            world.next(catalog)
    world.write("cards", "1", [("b", "red")])
    assert set(stored(world.next(catalog), "cards")) == {"a", "b"}


def test_few_rows_are_written_without_the_engine_and_to_the_same_bytes(spark, tmp_path):
    written = []
    for few_rows in (0, FEW_ROWS):
        world = World(spark, tmp_path / str(few_rows), few_rows=few_rows)
        catalog = world.catalog()
        world.next(catalog)
        first = {f.path for f in world.made.manifest.tables["lines"].files}
        world.write("customers", "0", [("c",), ("z",), ("é",), ("a",)])
        world.write("orders", "1", [(9, "c", minute(4)), (10, None, minute(4)), (11, "é", None)])
        lines = [(n, minute(m), i) for n in (1, 3, 7, 9, 11, None) for m in (2, None) for i in "xy"]
        world.write("lines", "4", [*lines, *lines, (9, minute(2), ""), (9, minute(2), None)])
        store = world.next(catalog)
        manifest = store.manifest
        files = [*manifest.profile, *manifest.tables["lines"].orphans]
        files += [f for f in manifest.tables["lines"].files if f.path not in first]
        written.append(sorted((f.partition, f.rows, f.sha256) for f in files))
        report = world.made.report
        used = {report["customers"]["without_engine"], world.report("lines")["without_engine"]}
        assert used == {bool(few_rows)}
    assert written[0] == written[1]
    assert len(written[0]) > 4


@pytest.mark.long
def test_more_than_a_process_takes_on_goes_to_the_engine(mixed, monkeypatch):
    catalog = mixed.catalog()
    mixed.next(catalog)
    monkeypatch.setattr("muster_worker.prepare.few.Budget", lambda: Budget(held=1))
    mixed.write("lines", "7", [(1, minute(7), "t")])
    mixed.next(catalog)
    assert not mixed.report("lines")["without_engine"]
    monkeypatch.setattr("muster_worker.prepare.few.Budget", lambda: Budget(looked_at=1))
    mixed.write("lines", "8", [(1, minute(8), "t")])
    store = mixed.next(catalog)
    assert not mixed.report("lines")["without_engine"]
    assert [row["item"] for row in stored(store, "lines")["a"]] == ["t", "t", "x", "x"]
