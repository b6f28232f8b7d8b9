"""A customer is erased: every destination that held them is told, and nothing brings them back."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import connect, deliveries, drain, exporter, settings
from tests.integration.exporter.test_table import document as database_document
from tests.integration.exporter.world import COLUMNS, World, build_world, partition_table
from tests.receiver import OK, running_receiver

from muster_core.errors import LeaseLost
from muster_core.exports.claim import Chunk
from muster_core.exports.erasure import Receipt
from muster_core.exports.manifest import ExportManifest
from muster_core.lake.key import partition_hashes
from muster_core.lake.members import first_members
from muster_core.security.erasure import open_erased
from muster_core.security.secret import add_key
from muster_core.storage.database import transaction
from muster_core.storage.delivery import checkpoint_chunk, claim_delivery
from muster_core.storage.dictionary import all_tables
from muster_core.storage.erasure import (
    get_receipt,
    reseal_erasures,
    sealed_erasures,
)
from muster_core.storage.erasure_table import erasure_part
from muster_core.storage.export_request import request_delivery
from muster_core.storage.export_table import delivery, delivery_refused
from muster_core.storage.holder import erase
from muster_core.storage.run_table import membership_pointer
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration

KEY = b"a key of thirty-two bytes, canary"[:32]
LEASE = timedelta(seconds=30)


@pytest.fixture
def world(database: sa.Engine, database_url: str, tmp_path: Path) -> World:
    """Three partitions in which customers stand where their keys belong."""
    everybody = partition_table(0, 2000)
    place = partition_hashes(everybody.column("id")) % 3
    profiles = [everybody.filter(pa.array(place == number)) for number in range(3)]
    return build_world(database, database_url, tmp_path, profiles, COLUMNS)


def publish(world: World, *, name: str = "vip", without: str | None = None) -> int:
    """Publish everybody, or everybody but one."""
    keys = {key for p in world.profiles for key in p.column("id").to_pylist()}
    return world.publish(name, keys=keys - {without})


def somebody(world: World) -> str:
    """Return a customer who is alive."""
    return str(world.members("vip", 1, ["id"]).column("id")[5])


def erased(world: World, key: str) -> int:
    """Erase a customer as the console does."""
    with transaction(world.database) as connection:
        return erase(connection, world.lake, key, settings(world).keys(), actor="test", lease=LEASE)


def receipt(world: World, number: int) -> Receipt:
    with transaction(world.database) as connection:
        return get_receipt(connection, number)


def finish(world: World, number: int) -> Receipt:
    """Let everything arrive and return the receipt."""
    for _ in range(5):
        with transaction(world.database) as connection:
            connection.execute(erasure_part.update().values(available_at=sa.func.clock_timestamp()))
        drain(world)
        if receipt(world, number).state != "open":
            break
    return receipt(world, number)


def texts(root: Path) -> dict[str, str]:
    """Return everything that stands below a folder, as text."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if path.name.endswith(".gz"):
                data = gzip.decompress(data)
            if path.suffix == ".parquet":
                data = str(pq.read_table(path).to_pylist()).encode()
            found[str(path.relative_to(root))] = data.decode()
    return found


def test_delivered_files_are_written_again_and_no_later_one_brings_them_back(world):
    publish(world)
    gone = somebody(world)
    publish(world, without=gone)
    publish(world)
    world.export(format="csv.gz", columns=["age"], rows_per_file=300)
    for version in (1, 2, 3):
        world.queue("crm", "vip", version)
    drain(world)
    untouched = texts(world.folder("crm", "vip", 2))

    number = erased(world, gone)
    assert [p.versions for p in receipt(world, number).parts] == [{"vip": [1]}, {"vip": [3]}]
    # a newer version does not take the place of those that are to be written again
    publish(world)
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    done = finish(world, number)

    assert done.state == "complete"
    assert all(p.sent_at and p.acknowledged_at and p.location for p in done.parts)
    files = texts(world.target)
    assert len([name for name in files if name.endswith("manifest.json")]) == 4
    assert not [name for name, text in files.items() if f'"{gone}"' in text]
    assert texts(world.folder("crm", "vip", 2)) == untouched
    for version in (1, 3, 4):
        folder = world.folder("crm", "vip", version)
        manifest = ExportManifest.model_validate_json((folder / "manifest.json").read_text())
        whole = world.members("vip", version, ["id"]).num_rows
        assert (manifest.members, manifest.left_out) == (whole - 1, 1)
        assert sum(f.rows for f in manifest.files) == whole - 1
    # once more: nothing is left to be done
    assert erased(world, gone) == number
    assert len(receipt(world, number).parts) == 2
    assert {d.state for d in deliveries(world)} == {"delivered"}


@pytest.mark.parametrize("before", [True, False])
def test_files_of_a_deleted_segment_are_written_again_too(world, before):
    publish(world)
    gone = somebody(world)
    world.export()
    world.queue("crm", "vip", 1)
    drain(world)

    def delete() -> None:
        with transaction(world.database) as connection:
            delete_segment(connection, "vip", force=True)

    if before:
        delete()
    number = erased(world, gone)
    if not before:
        delete()
    assert finish(world, number).state == "complete"
    assert gone not in str(texts(world.target))


def test_the_key_stands_nowhere_in_the_control_database(world):
    publish(world)
    gone = somebody(world)
    world.export(columns=["age"], mode="changes")
    world.queue("crm", "vip", 1)
    drain(world)
    number = erased(world, gone)
    assert gone not in everything(world)
    finish(world, number)
    assert gone not in everything(world)
    with transaction(world.database) as connection:
        assert connection.scalar(sa.text("SELECT customer FROM erasure")) is None


def everything(world: World) -> str:
    with transaction(world.database) as connection:
        return "\n".join(
            str(row)
            for table in all_tables().tables.values()
            for row in connection.execute(sa.select(table))
        )


def test_changes_tell_the_removal_once_and_never_the_customer_again(world):
    publish(world)
    gone = somebody(world)
    world.export(columns=["age"], mode="changes", format="jsonl")
    world.queue("crm", "vip", 1)
    drain(world)
    number = erased(world, gone)
    world.queue("crm", "vip", publish(world))
    done = finish(world, number)

    assert sorted(p.how for p in done.parts) == ["removal", "rewrite"]
    assert done.state == "complete"
    files = texts(world.target)
    told = {name: text for name, text in files.items() if gone in text}
    assert list(told) == [f"crm/erased-/erasure={number}/part-00000.jsonl"]
    assert json.loads(*told.values()) == {"id": gone, "operation": "remove"}
    manifest = json.loads(files["crm/vip/version=2/manifest.json"])
    assert manifest["changes"] == {"add": 0, "update": 0, "remove": 0}


def test_databases_lose_their_rows_and_the_feed_its_history(world, database_url):
    publish(world)
    gone = somebody(world)
    password = {"password": str(sa.make_url(database_url).password)}
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA crm_in")
        admin.execute("CREATE SCHEMA feed_in")
    connect(world, database_document(database_url, "postgresql"), password)
    feed = database_document(database_url, "feed", name="feed", schema="feed_in")
    connect(world, feed, password)
    world.export(connection="there", columns=["age"])
    world.export(name="feed", connection="feed", columns=[])
    publish(world, without=gone)
    for version in (1, 2):
        world.queue("feed", "vip", version)
        if version == 1:
            world.queue("crm", "vip", version)
        drain(world)

    number = erased(world, gone)
    parts = finish(world, number).parts
    assert {(p.export, p.kind, p.how, p.state, p.rows) for p in parts} == {
        ("crm", "postgresql", "removal", "acknowledged", 1),
        ("feed", "feed", "removal", "acknowledged", 1),
    }
    for export in ("crm", "feed"):
        world.queue(export, "vip", publish(world) if export == "crm" else 3)
    drain(world)
    with psycopg.connect(database_url) as connection:
        for table, column in (
            ("crm_in.crm", "id"),
            ("feed_in.muster_membership", "customer"),
            ("feed_in.muster_customer", "customer"),
        ):
            query = f"SELECT count(*), count(*) FILTER (WHERE {column} = %s) FROM {table}"  # noqa: S608
            found = connection.execute(query.encode(), [gone]).fetchone()
            assert found is not None
            assert found[0] > 0
            assert found[1] == 0, table


@pytest.mark.parametrize("mode", ["full", "changes"])
def test_a_receiver_is_told_and_an_id_never_has_another_body(world, mode):
    publish(world)
    gone = somebody(world)
    with running_receiver(KEY) as hook:
        secret = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}
        document = {"name": "there", "kind": "webhook", "url": hook.url, "chunk_bytes": 20_000}
        connect(world, document, secret)
        world.export(connection="there", columns=["age"], mode=mode)
        world.queue("crm", "vip", 1)
        # half of the version arrives, with the customer in it
        count = iter(range(1000))
        hook.behave = lambda _id, _body: OK if next(count) < 2 else (503, {}, b"")
        exporter(world).work()
        assert gone in str(hook.taken)
        number = erased(world, gone)
        before = len(hook.taken)
        hook.behave = lambda _id, _body: OK
        done = finish(world, number)

        (part,) = done.parts
        assert (part.how, part.state, part.versions) == ("removal", "acknowledged", {"vip": [1]})
        later = [json.loads(body) for _, body in hook.taken[before:]]
        told = [m["data"] for m in later if m["type"] == "muster.erased"]
        assert told == [{"export": "crm", "erasure": number, "rows": [{"id": gone}]}]
        rows = [r["id"] for m in later if m["type"] == "muster.members" for r in m["data"]["rows"]]
        assert sorted(rows) == sorted(
            k for k in world.members("vip", 1, ["id"]).column("id").to_pylist() if k != gone
        )
        assert all(len(found) == 1 for found in hook.bodies().values())


def test_whoever_delivers_at_that_moment_loses_the_delivery(world):
    publish(world)
    gone = somebody(world)
    world.export(columns=["age"])
    world.queue("crm", "vip", 1)
    with transaction(world.database) as connection:
        claim = claim_delivery(connection, exporter="slow", lease=LEASE)
    assert claim is not None
    number = erased(world, gone)
    with pytest.raises(LeaseLost), transaction(world.database) as connection:
        checkpoint_chunk(
            connection, claim, Chunk(number=0, name="part-00000.csv", rows=1, bytes=1, sha256="0")
        )
    # its lease must have ended before anybody else begins
    assert not exporter(world).work()
    assert finish(world, number).state == "complete"
    assert gone not in str(texts(world.target))


def test_what_was_refused_of_them_is_forgotten(world):
    publish(world)
    gone = somebody(world)
    world.export(columns=["age"])
    world.queue("crm", "vip", 1)
    drain(world)
    partition, ordinal = next(
        (n, p.column("id").to_pylist().index(gone))
        for n, p in enumerate(world.profiles)
        if gone in p.column("id").to_pylist()
    )
    with transaction(world.database) as connection:
        row = connection.execute(sa.select(delivery.c.export_id, delivery.c.segment_id)).one()
        values = {"export_id": row.export_id, "segment_id": row.segment_id, "operation": "add"}
        values |= {"partition": partition, "reason": "bad", "version": 1}
        rows = [{**values, "ordinal": n} for n in (ordinal, ordinal + 1)]
        connection.execute(delivery_refused.insert(), rows)
    assert receipt(world, erased(world, gone)).refused_rows == 1
    with transaction(world.database) as connection:
        assert connection.scalars(sa.select(delivery_refused.c.ordinal)).all() == [ordinal + 1]


def test_versions_that_are_no_longer_kept_are_named_for_removal_by_hand(world):
    publish(world)
    gone = somebody(world)
    world.export(columns=["age"])
    world.queue("crm", "vip", 1)
    drain(world)
    with transaction(world.database) as connection:
        connection.execute(membership_pointer.delete())
    done = receipt(world, erased(world, gone))
    (part,) = done.parts
    assert (done.state, part.state) == ("failed", "failed")
    assert part.error is not None
    assert str(world.folder("crm", "vip", 1)) in part.error


def test_nobody_sees_them_and_a_new_secret_key_changes_nothing(world):
    publish(world)
    gone = somebody(world)
    erased(world, gone)
    add_key(settings(world).key_file)
    with transaction(world.database) as connection:
        reseal_erasures(connection, settings(world).keys())
    # the old key may go
    newest = settings(world).key_file.read_text().splitlines()[0]
    settings(world).key_file.write_text(newest)
    with transaction(world.database) as connection:
        sealed = sealed_erasures(connection)
    known = open_erased(sealed, settings(world).keys)
    found = first_members(
        world.lake,
        world.snapshot[0],
        world.snapshot[1],
        world.pointers["vip", 1],
        [],
        limit=10_000,
        erased=known,
    )
    keys = found.column("id").to_pylist()
    assert sorted([*keys, gone]) == sorted(world.members("vip", 1, ["id"]).column("id").to_pylist())


def test_every_place_is_told_that_an_export_led_to(world):
    publish(world)
    gone = somebody(world)
    secret = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}
    with running_receiver(KEY) as one, running_receiver(KEY) as other, running_receiver(KEY) as new:
        for number, hook in enumerate((one, other), start=1):
            connect(world, {"name": f"hook{number}", "kind": "webhook", "url": hook.url}, secret)
            world.export(connection=f"hook{number}", columns=["age"])
            world.queue("crm", "vip", number)
            drain(world)
            publish(world)
        done = finish(world, erased(world, gone))
        assert [(p.destination, p.state) for p in done.parts] == [
            ("hook1", "acknowledged"),
            ("hook2", "acknowledged"),
        ]
        for hook in (one, other):
            assert json.loads(hook.taken[-1][1])["data"]["rows"] == [{"id": gone}]

        next_one = str(world.members("vip", 1, ["id"]).column("id")[6])
        connect(world, {"name": "hook1", "kind": "webhook", "url": new.url}, secret)
        for _ in range(2):  # asking again does not make it told
            done = finish(world, erased(world, next_one))
            assert done.state == "failed"
            assert [(p.destination, p.state) for p in done.parts] == [
                ("hook1", "failed"),
                ("hook2", "acknowledged"),
            ]
            assert "leads to another place" in str(done.parts[0].error)
        assert new.taken == []
