from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import drain
from tests.integration.exporter.world import COLUMNS, HOSTILE, World, build_world

from muster_core.exports.document import Format
from muster_core.exports.manifest import ExportManifest
from muster_core.exports.state import DeliveryState
from muster_core.lake.manifest import ALIVE
from muster_core.lake.members import first_members, write_members
from muster_core.storage.database import transaction
from muster_core.storage.delivery_record import StoredDelivery, list_deliveries
from muster_core.storage.export_request import request_delivery
from muster_core.storage.export_table import delivery
from muster_exporter.exporter import Exporter

pytestmark = pytest.mark.integration


def run(world: World) -> list[StoredDelivery]:
    """Let one exporter do all there is, and return the deliveries, oldest first."""
    exporter = Exporter(world.database, world.settings, name="exporter-1")
    while exporter.work():
        pass
    with transaction(world.database) as connection:
        return list_deliveries(connection)[::-1]


def manifest_of(folder: Path) -> ExportManifest:
    """Read a manifest and check every file it names."""
    manifest = ExportManifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert sorted(os.listdir(folder)) == sorted(
        ["manifest.json", *(file.name for file in manifest.files)]
    )
    for file in manifest.files:
        data = (folder / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
    assert sum(file.rows for file in manifest.files) == manifest.members
    return manifest


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def csv_rows(folder: Path) -> list[list[str]]:
    rows: list[list[str]] = []
    for file in manifest_of(folder).files:
        data = (folder / file.name).read_bytes()
        text = (gzip.decompress(data) if file.name.endswith(".gz") else data).decode()
        header, *body = csv.reader(io.StringIO(text, newline=""), strict=True)
        assert header == list(COLUMNS)
        assert len(body) == file.rows
        rows += body
    return rows


def expected_cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "array<text>":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if kind == "timestamp":
        return str(value.isoformat()).replace("+00:00", "Z")
    if kind == "boolean":
        return str(value).lower()
    if kind.startswith("decimal"):
        return format(value, "f")
    if kind == "text" and str(value).startswith(("=", "@", "+", "-", "\t")):
        return f"'{value}"
    return str(value)


@pytest.mark.parametrize("form", ["csv", "csv.gz"])
def test_csv_files_hold_exactly_the_members(world, form):
    version = world.publish("vip")
    world.export(format=form, rows_per_file=300)
    world.queue("crm", "vip", version)

    (done,) = run(world)

    assert (done.state, done.attempt, done.error) == (DeliveryState.DELIVERED, 1, None)
    members = world.members("vip", version, list(COLUMNS)).to_pylist()
    assert done.rows == len(members) > 600
    found = csv_rows(world.folder("crm", "vip", version))
    for row, member in zip(found, members, strict=True):
        for cell, (name, kind) in zip(row, COLUMNS.items(), strict=True):
            if kind == "float":
                assert (float(cell) if cell else None) == member[name]
            else:
                assert cell == expected_cell(member[name], kind)


def test_parquet_files_hold_exactly_the_members(world):
    version = world.publish("vip")
    world.export(format="parquet", rows_per_file=300)
    world.queue("crm", "vip", version)

    run(world)

    folder = world.folder("crm", "vip", version)
    files = [pq.read_table(folder / file.name) for file in manifest_of(folder).files]
    assert [t.num_rows for t in files[:-1]] == [300] * (len(files) - 1)
    assert (
        pa.concat_tables(files)
        .combine_chunks()
        .equals(world.members("vip", version, list(COLUMNS)))
    )


def test_columns_are_chosen_and_renamed_and_the_key_is_first(world):
    version = world.publish("vip")
    world.export(
        columns=[{"column": "age", "as": "years"}, {"column": "id", "as": "customer"}, "email"],
        format="parquet",
    )
    world.queue("crm", "vip", version)

    run(world)

    folder = world.folder("crm", "vip", version)
    table = pq.read_table(folder / "part-00000.parquet")
    assert table.column_names == ["customer", "years", "email"]
    assert [(c.name, c.column, c.type) for c in manifest_of(folder).columns] == [
        ("customer", "id", "text"),
        ("years", "age", "integer"),
        ("email", "email", "text"),
    ]


def test_the_manifest_tells_how_to_read_the_files(world):
    version = world.publish("vip")
    world.export(format="csv.gz")
    world.queue("crm", "vip", version)

    (done,) = run(world)

    manifest = manifest_of(world.folder("crm", "vip", version))
    assert manifest.as_of == "2026-01-31T12:00:00Z"
    assert manifest.csv_dialect is not None
    assert manifest.csv_dialect["formulas"] == "neutralised"
    assert manifest.csv_dialect["compression"] == "gzip"
    assert done.location == str(world.folder("crm", "vip", version))
    latest = json.loads((world.target / "crm" / "vip" / "latest.json").read_bytes())
    assert latest["segment_version"] == version
    data = (world.target / "crm" / "vip" / latest["manifest"]).read_bytes()
    assert latest["manifest_sha256"] == hashlib.sha256(data).hexdigest()


def test_an_empty_segment_is_one_file_with_columns(world):
    version = world.publish("nobody", share=0.0)
    world.export(segments=["nobody"])
    world.queue("crm", "nobody", version)

    (done,) = run(world)

    assert done.rows == 0
    assert csv_rows(world.folder("crm", "nobody", version)) == []


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_delivering_again_gives_identical_bytes(world, form):
    version = world.publish("vip")
    world.export(format=form, rows_per_file=250)
    world.queue("crm", "vip", version)
    run(world)
    before = content(world.target)
    (world.folder("crm", "vip", version) / "manifest.json").unlink()
    (world.folder("crm", "vip", version) / f"part-00001.{form}").unlink()
    (world.folder("crm", "vip", version) / f"part-00002.{form}").write_bytes(b"damaged")

    with transaction(world.database) as connection:
        (requested,) = request_delivery(connection, "crm", actor="test")
    (done,) = run(world)

    assert (requested.state, requested.outdated) == (DeliveryState.PENDING, False)
    assert (done.state, done.attempt) == (DeliveryState.DELIVERED, 1)
    assert content(world.target) == before


def test_an_older_version_delivered_later_leaves_the_pointer_alone(world):
    first, second = world.publish("vip"), world.publish("vip")
    world.export()
    world.queue("crm", "vip", second)
    run(world)
    world.queue("crm", "vip", first)

    run(world)

    assert manifest_of(world.folder("crm", "vip", first)).segment_version == first
    latest = json.loads((world.target / "crm" / "vip" / "latest.json").read_bytes())
    assert latest["segment_version"] == second


@pytest.mark.parametrize(
    "pattern", ["runs/*/*.parquet", "store/profile-2.parquet", "store/orders-2.parquet"]
)
def test_one_flipped_byte_in_the_lake_and_nothing_is_sent(world, pattern):
    version = world.publish("vip", project=[{"table": "orders", "column": "note", "as": "notes"}])
    world.export()
    world.queue("crm", "vip", version)
    victim = min(world.lake.root.glob(pattern))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))

    (done,) = run(world)

    assert (done.state, done.error_class, done.attempt) == ("failed", "store_damaged", 1)
    assert content(world.target) == {}


def test_a_missing_target_is_tried_again_and_then_given_up(world):
    version = world.publish("vip")
    world.export()
    world.queue("crm", "vip", version)
    world.target.rename(world.target.with_name("unmounted"))

    (first,) = run(world)

    assert (first.state, first.error_class) == ("pending", "target_unavailable")
    assert first.error is not None
    assert "does not exist" in first.error
    assert first.error.endswith("It is tried again.")
    with transaction(world.database) as connection:
        connection.execute(
            delivery.update().values(attempt=4, available_at=sa.func.clock_timestamp())
        )
    (last,) = run(world)
    assert (last.state, last.reason, last.attempt) == ("failed", "gave_up", 5)
    assert last.error == first.error.removesuffix(" It is tried again.")


def test_a_target_that_comes_back_gets_its_delivery(world):
    # no try but the two that are meant, however slow the machine is
    world.settings = world.settings.model_copy(update={"backoff_seconds": 60.0})
    version = world.publish("vip")
    world.export()
    world.queue("crm", "vip", version)
    hidden = world.target.with_name("unmounted")
    world.target.rename(hidden)
    run(world)
    hidden.rename(world.target)
    with transaction(world.database) as connection:
        connection.execute(delivery.update().values(available_at=sa.func.clock_timestamp()))

    (done,) = run(world)

    assert (done.state, done.attempt, done.error) == ("delivered", 2, None)


def test_a_column_the_version_does_not_have_is_a_clear_failure(world):
    version = world.publish("vip")
    world.export()
    world.queue("crm", "vip", version)
    with transaction(world.database) as connection:
        document = world.document(columns=["gone"]).to_json()
        connection.execute(delivery.update().values(document=document))

    (done,) = run(world)

    assert done.state == "failed"
    assert done.error is not None
    assert "no column gone" in done.error


def test_no_error_and_no_log_holds_a_member(world, capfd):
    version = world.publish("vip")
    world.export()
    world.queue("crm", "vip", version)

    run(world)

    said = "".join(capfd.readouterr())
    assert "delivery.delivered" in said
    assert not any(text in said for text in ("C0-", "@example.org", HOSTILE[0]))


def test_members_can_be_looked_at_and_downloaded(world, tmp_path):
    version = world.publish("vip")
    pointer = world.pointers["vip", version]
    path, sha256 = world.snapshot
    where = (world.lake, path, sha256, pointer, ["email"])
    expected = world.members("vip", version, ["id", "email"])

    first = first_members(*where, limit=100)
    later = first_members(*where, limit=10, skip=600)
    rows = write_members(*where, path=tmp_path / "out.parquet", form=Format.PARQUET)
    assert (tmp_path / "out.parquet").stat().st_mode & 0o777 == 0o640

    assert first.combine_chunks().equals(expected.slice(0, 100).combine_chunks())
    assert later.to_pylist() == expected.slice(600, 10).to_pylist()
    assert rows == expected.num_rows
    assert pq.read_table(tmp_path / "out.parquet").equals(expected)
    assert sorted(os.listdir(tmp_path)) == ["lake", "out.parquet", "target"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_text_that_is_no_valid_unicode_is_mended_and_no_row_is_lost(
    database, database_url, tmp_path, form
):
    broken = [b"C1", b"C\xff2", b"\xed\xa0\x80=1", b"fine"]
    texts = pa.array(broken, pa.binary())
    table = pa.table(
        {
            ALIVE: pa.array([True] * 4),
            "id": pa.array(["1", "2", "3", "4"]),
            # a lone surrogate and a stray byte: Parquet files of careless writers hold such text
            "note": pa.StringArray.from_buffers(4, texts.buffers()[1], texts.buffers()[2]),
        }
    )
    columns = {"id": "text", "note": "text"}
    world = build_world(database, database_url, tmp_path, [table], columns)
    version = world.publish("vip", share=1.0)
    world.export(format=form, columns=["note"])
    world.queue("crm", "vip", version)

    (done,) = run(world)

    assert (done.state, done.rows) == ("delivered", 4)
    folder = world.folder("crm", "vip", version)
    if form == "csv":
        rows = list(csv.reader(io.StringIO((folder / "part-00000.csv").read_bytes().decode())))
        found = [row[1] for row in rows[1:]]
    else:
        found = pq.read_table(folder / "part-00000.parquet").column("note").to_pylist()
    assert found == ["C1", "C\ufffd2", "\ufffd\ufffd\ufffd=1", "fine"]


def test_a_pipe_in_place_of_a_file_holds_nobody_up(world):
    world.publish("vip")
    world.export()
    world.queue("crm", "vip", 1)
    drain(world)
    folder = world.folder("crm", "vip", 1)
    delivered = (folder / "part-00000.csv").read_bytes()
    for place in (folder / "part-00000.csv", folder.parent / "latest.json"):
        place.unlink()
        os.mkfifo(place)
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    drain(world)

    assert (folder / "part-00000.csv").read_bytes() == delivered
    assert json.loads((folder.parent / "latest.json").read_bytes())["segment_version"] == 1
