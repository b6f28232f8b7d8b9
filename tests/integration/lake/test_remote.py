"""A lake and sources in S3 and Azure behave as on a disk: whole files, safe names, clear errors."""

from __future__ import annotations

import base64
import io
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Source
from muster_core.errors import (
    SourceDenied,
    SourceMissing,
    SourceUnavailable,
    StoreDamaged,
    TerminalError,
    TransientError,
)
from muster_core.lake.location import Lake
from muster_core.lake.source import SourceReader, list_source, read_layout

WRONG = base64.b64encode(b"wrong-secret").decode()


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.fixture
def lake(place) -> Lake:
    return Lake(f"{place.url}/some lake")


def test_a_file_is_written_hashed_and_read_back(lake):
    data = bytes(range(256)) * 60_000  # more than one part of an upload
    with lake.open_output("a/b.bin") as output:
        output.write(data[:1000])
        output.write(data[1000:])
    assert (output.size, output.sha256) == lake.digest("a/b.bin")
    assert lake.read_bytes("a/b.bin") == data
    with lake.open_input("a/b.bin") as file:
        file.seek(5_000_000)
        assert file.read(10) == data[5_000_000:5_000_010]
        assert file.size() == len(data)
    with lake.open_mapped("a/b.bin") as file:
        assert file.read() == data
    assert lake.exists("a/b.bin")
    assert not lake.exists("a")


def test_a_name_is_given_out_once(lake):
    lake.create("manifest", b"first")
    with pytest.raises(FileExistsError):
        lake.create("manifest", b"second")
    assert lake.read_bytes("manifest") == b"first"
    lake.write_bytes("note", b"1")
    lake.write_bytes("note", b"2")
    assert lake.read_bytes("note") == b"2"


def test_a_failed_writing_leaves_no_file(lake):
    with suppress(RuntimeError), lake.open_output("part") as output:
        output.write(b"half")
        raise RuntimeError
    assert not lake.exists("part")


def test_files_are_listed_and_removed(lake):
    for path in ("x/1", "x/deep/2", "x/deep/3", "xy/4"):
        lake.write_bytes(path, b"12345")
    assert [(e.path, e.size) for e in lake.entries("x")] == [
        ("x/1", 5),
        ("x/deep/2", 5),
        ("x/deep/3", 5),
    ]
    assert [e.path for e in lake.entries("x", deep=False)] == ["x/1"]
    assert list(lake.entries("nothing")) == []
    lake.remove(["x/deep/2", "x/gone"], below="x")
    assert [e.path for e in lake.entries("")] == ["x/1", "x/deep/3", "xy/4"]


def test_what_is_not_there_is_damage(lake):
    for read in (lake.read_bytes, lake.open_input, lake.digest):
        with pytest.raises(StoreDamaged, match="no file gone"):
            read("gone")


def test_a_wrong_secret_is_said_without_it(place, lake, monkeypatch):
    lake.write_bytes("a", b"1")
    monkeypatch.setenv(place.secret, WRONG)
    for act in (
        lambda: lake.read_bytes("a"),
        lambda: lake.write_bytes("b", b"1"),
        lambda: lake.create("c", b"1"),
        lambda: list(lake.entries("")),
        lambda: lake.exists("a"),
    ):
        with pytest.raises(TerminalError, match="does not allow access") as denied:
            act()
        told = f"{denied.value} {denied.value.hint} {denied.value.__cause__}"
        assert WRONG not in told
        assert place.environment[place.secret] not in told
        assert "credentials" in told
    with pytest.raises(SourceDenied, match="credentials are wrong"):
        list_source(Source(parquet=f"{place.url}/orders"))


def test_a_store_that_is_away_is_worth_a_retry(place, lake, monkeypatch):
    for name in ("AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="the object store failed at"):
        lake.open_output("a").close()
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        list_source(Source(parquet=f"{place.url}/orders"))


def test_a_partitioned_folder_is_a_table_with_its_folders_as_columns(place):
    for day, hours in (("2026-01-02", [3, 4]), ("2026-01-01", [1, 2])):
        place.put(f"shop/orders/day={day}/part-0.parquet", parquet(hour=pa.array(hours)))
    for ignored in ("_SUCCESS", "_temporary/x.parquet", ".crc/x.parquet", "notes.txt"):
        place.put(f"shop/orders/{ignored}", b"")
    place.put("shop/orders_old/x.parquet", parquet(hour=pa.array([9])))
    source = Source(parquet=f"{place.url}/shop/orders")
    files = list_source(source)
    layout = read_layout(source, files)
    assert {name: str(kind) for name, kind in layout.columns.items()} == {
        "hour": "integer",
        "day": "date",
    }
    reader = SourceReader(source=source, columns={n: str(k) for n, k in layout.columns.items()})
    rows = [row for f in files for b in reader.read(f.path) for row in b.to_pylist()]
    assert [(row["day"].isoformat(), row["hour"]) for row in rows] == [
        ("2026-01-01", 1),
        ("2026-01-01", 2),
        ("2026-01-02", 3),
        ("2026-01-02", 4),
    ]


def test_a_single_file_is_a_source_and_a_rewritten_one_has_changed(place):
    source = Source(parquet=f"{place.url}/a.parquet")
    place.put("a.parquet", parquet(n=pa.array([1])))
    place.put("a.parquet.old", b"")
    [first] = list_source(source)
    place.put("a.parquet", parquet(n=pa.array([2])))
    [second] = list_source(source)
    assert (first.path, first.size) == (second.path, second.size)
    assert first.etag != second.etag


def test_a_missing_source_is_named(place):
    for gone in (f"{place.url}/nothing", f"{place.url.replace('test-', 'gone-')}/orders"):
        with pytest.raises(SourceMissing, match=gone):
            list_source(Source(parquet=gone))
