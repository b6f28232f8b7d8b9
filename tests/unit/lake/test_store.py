from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import StoreDamaged
from muster_core.lake.bitmap import write_bitmap
from muster_core.lake.location import Lake
from muster_core.lake.manifest import (
    KeyRange,
    MatrixManifest,
    PreparedTable,
    SnapshotManifest,
    StoreFile,
)
from muster_core.lake.matrix import write_manifest, write_words
from muster_core.lake.store import Store, verify, write_snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 1000


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path))


def put(lake, name, table, dead=None):
    with lake.open_output(name) as output:
        pq.write_table(table, pa.PythonFile(output, mode="w"), row_group_size=100)
    return StoreFile(
        path=name,
        partition=0,
        rows=table.num_rows,
        size=output.size,
        sha256=output.sha256,
        dead=dead,
    )


def snapshot(lake, *, dead=None, dead_sources=(), generation=1):
    profile = pa.table(
        {"_alive": [True, False, True], "_key_hash": pa.array([1, 2, 3], pa.uint64()),
         "id": ["a", "b", "c"], "full.name": ["A", None, "C"]}
    )  # fmt: skip
    orders = pa.table(
        {
            "_ordinal": pa.array([i % 3 for i in range(ROWS)], pa.int32()),
            "at": [START - timedelta(hours=i) for i in range(ROWS)],
            "orders.state": [f"state {i // 300}" for i in range(ROWS)],
            "amount": list(range(ROWS)),
            "_source_file": pa.array([i % 2 for i in range(ROWS)], pa.int32()),
            "_source_row": list(range(ROWS)),
        }
    )
    name = f"g{generation}"
    table = Table(name="orders", source=Source(parquet="/o"), columns={}, time="at")
    manifest = SnapshotManifest(
        generation=generation,
        partitions=2,
        parent=None,
        catalog=Catalog(
            profile=Table(name="customers", source=Source(parquet="/c"), columns={}),
            key="id",
            tables={"orders": table},
        ),
        fingerprint="",
        sources=[],
        keys=[KeyRange(partition=0, ordinals=3, alive=2)],
        columns={},
        profile=[put(lake, f"{name}/profile", profile)],
        tables={
            "orders": PreparedTable(
                columns={},
                fingerprint="",
                sources=[],
                dead_sources=list(dead_sources),
                files=[put(lake, f"{name}/orders", orders, dead)],
                rows=ROWS,
            )
        },
    )
    return write_snapshot(lake, name, manifest)


def amounts(store, **bounds):
    batches = store.partition(0).rows("orders", ["amount"], **bounds)
    return [a for batch in batches for a in batch.column("amount").to_pylist()]


def test_profile_columns_come_in_ordinal_order_with_text_as_dictionary(lake):
    partition = Store.open(lake, *snapshot(lake)).partition(0)
    assert partition.size == 3
    assert partition.alive().tolist() == [True, False, True]
    columns = partition.profile(["full.name", "id"])
    assert columns["full.name"].to_pylist() == ["A", None, "C"]
    assert columns["id"].type == pa.dictionary(pa.int32(), pa.string())


def test_rows_come_newest_first_with_only_what_was_asked(lake):
    partition = Store.open(lake, *snapshot(lake)).partition(0)
    batches = list(partition.rows("orders", ["orders.state", "at"]))
    assert batches[0].schema.names == ["_ordinal", "orders.state", "at"]
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert len(rows) == ROWS
    assert rows[0]["at"] == START
    assert rows[999] == {
        "_ordinal": 0,
        "orders.state": "state 3",
        "at": START - timedelta(hours=999),
    }


def test_dead_rows_and_rows_of_dead_sources_are_left_out(lake):
    bitmap = np.zeros(ROWS, dtype=np.bool_)
    bitmap[[0, 10, 999]] = True
    dead = write_bitmap(lake, "s", bitmap)
    found = amounts(Store.open(lake, *snapshot(lake, dead=dead)))
    assert found == [i for i in range(ROWS) if i not in (0, 10, 999)]
    found = amounts(Store.open(lake, *snapshot(lake, dead=dead, dead_sources=[1], generation=2)))
    assert found == [i for i in range(ROWS) if i % 2 == 0 and i not in (0, 10)]


def test_dead_rows_that_are_not_those_written_are_refused_by_readers_and_checks(lake):
    dead = write_bitmap(lake, "s", np.arange(ROWS) % 7 == 0)
    store = Store.open(lake, *snapshot(lake, dead=dead))
    (file,) = store.manifest.tables["orders"].files
    verify(lake, file)
    lake.write_bytes(dead, bytes(len(lake.read_bytes(dead))))
    with pytest.raises(StoreDamaged, match="not the one its name tells"):
        amounts(store)
    with pytest.raises(StoreDamaged, match="not the one its name tells"):
        verify(lake, file)


def test_row_groups_older_than_asked_are_not_read(lake):
    store = Store.open(lake, *snapshot(lake))
    assert amounts(store, oldest=START - timedelta(hours=150)) == list(range(200))
    assert amounts(store, oldest=START + timedelta(hours=1)) == []


def test_what_a_manifest_does_not_know_is_damage(lake):
    partition = Store.open(lake, *snapshot(lake)).partition(0)
    with pytest.raises(StoreDamaged, match="no table lines"):
        list(partition.rows("lines", []))
    with pytest.raises(StoreDamaged, match="no column colour"):
        list(partition.rows("orders", ["colour"]))
    lake.locate("g1/profile").write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(StoreDamaged, match="cannot be read"):
        partition.alive()


def test_an_earlier_matrix_has_no_bit_for_newer_customers(lake):
    path, sha256 = snapshot(lake)
    file = write_words(lake, "m", 0, np.array([[2], [3]], dtype=np.uint64))
    pointer = write_manifest(lake, "m", matrix(path, sha256, file))
    assert Store.open(lake, path, sha256).partition(0).members(*pointer, 0).tolist() == [
        False,
        True,
        False,
    ]
    newer = Store.open(lake, *snapshot(lake, generation=2)).partition(0)
    assert newer.members(*pointer, 0).tolist() == [False, False, False]


def test_a_matrix_longer_than_the_pinned_snapshot_is_cut_to_its_customers(lake):
    path, sha256 = snapshot(lake)
    file = write_words(lake, "m", 0, np.array([[2], [3], [2], [3], [3]], dtype=np.uint64))
    pointer = write_manifest(lake, "m", matrix(path, sha256, file))
    partition = Store.open(lake, path, sha256).partition(0)
    assert partition.members(*pointer, 0).tolist() == [False, True, False]


def test_neighbouring_bits_of_an_earlier_matrix_are_read_once(lake):
    path, sha256 = snapshot(lake)
    file = write_words(lake, "m", 0, np.array([[1, 1], [2, 0], [3, 1]], dtype=np.uint64))
    pointer = write_manifest(lake, "m", matrix(path, sha256, file, words=2))
    partition = Store.open(lake, path, sha256).partition(0)
    assert partition.members(*pointer, 0).tolist() == [True, False, True]
    lake.locate(pointer[0]).unlink()
    assert partition.members(*pointer, 64).tolist() == [True, False, True]
    lake.locate(file.path).unlink()
    assert partition.members(*pointer, 64).tolist() == [True, False, True]
    assert partition.members(*pointer, 65).tolist() == [False, False, False]


def matrix(path, sha256, file, words=1):
    return MatrixManifest(
        snapshot=path, snapshot_sha256=sha256, as_of="", plan_sha256="", words=words, segments={},
        counts={}, files=[file],
    )  # fmt: skip


def test_a_partition_without_customers_is_empty(lake):
    partition = Store.open(lake, *snapshot(lake)).partition(1)
    assert partition.size == 0
    assert len(partition.alive()) == 0
    assert list(partition.rows("orders", ["amount"])) == []
