"""Deliveries of changes: put one onto the other at the destination, they are what a full delivery holds."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import connect, deliveries, drain
from tests.integration.exporter.world import COLUMNS, World, write_store
from tests.receiver import OK, Receiver, running_receiver

from muster_core.errors import InvalidInput
from muster_core.exports.manifest import ExportManifest
from muster_core.storage.database import transaction
from muster_core.storage.export_request import request_delivery
from muster_core.storage.export_table import delivery, delivery_refused
from muster_core.storage.store_table import snapshot
from muster_exporter.change import unequal

pytestmark = pytest.mark.integration

KEY = b"a key of thirty-two bytes, canary"[:32]
SECRET = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}
Held = dict[str, dict[str, Any]]
SENT = ["age", "note", "score", "tags", "seen"]


def put(held: Held, rows: list[dict[str, Any]], *, afresh: bool) -> None:
    """Do at a destination what the rows of one delivery say."""
    if afresh:
        held.clear()
    for row in rows:
        operation, key = row.pop("operation"), row["id"]
        if operation == "remove":
            held.pop(key)
        else:
            assert (key in held) == (operation == "update")
            held[key] = row


def another_day(world: World, chance: random.Random) -> None:
    """Prepare a new snapshot: some customers have other values, some are gone, some are new."""
    for number, profile in enumerate(world.profiles):
        rows = profile.num_rows
        if rows == 0:
            continue
        table = profile
        if chance.random() < 0.7:
            ages = [
                a if chance.random() > 0.03 else chance.choice([None, 1, 2])
                for a in profile.column("age").to_pylist()
            ]
            tags = [
                t if chance.random() > 0.03 else chance.choice([None, [], ["x", None]])
                for t in profile.column("tags").to_pylist()
            ]
            scores = [
                s if chance.random() > 0.03 else chance.choice([None, float("nan"), 0.5])
                for s in profile.column("score").to_pylist()
            ]
            alive = [a and chance.random() > 0.02 for a in profile.column(0).to_pylist()]
            for name, values in (("age", ages), ("tags", tags), ("score", scores)):
                place = table.schema.get_field_index(name)
                table = table.set_column(
                    place, name, pa.array(values, table.schema.field(name).type)
                )
            table = table.set_column(0, table.schema.field(0), pa.array(alive, pa.bool_()))
        world.profiles[number] = table
    _write(world)


def _write(world: World) -> None:
    folder = f"store-{len(list(Path(world.lake.url).glob('store*')))}"
    world.snapshot = write_store(world.lake, world.profiles, COLUMNS, folder)
    with transaction(world.database) as connection:
        catalog = connection.scalar(sa.select(snapshot.c.catalog_id).limit(1))
        world.snapshot_id = connection.execute(
            snapshot.insert()
            .values(
                generation=1,
                manifest=world.snapshot[0],
                manifest_sha256=world.snapshot[1],
                catalog_id=catalog,
                customers=1,
                report={},
            )
            .returning(snapshot.c.id)
        ).scalar_one()


def wanted(world: World, version: int) -> Held:
    return {r["id"]: r for r in world.members("vip", version, ["id", *SENT]).to_pylist()}


def same(one: Held, other: Held) -> bool:
    return repr(dict(sorted(one.items()))) == repr(dict(sorted(other.items())))


def read(folder: Path) -> tuple[ExportManifest, list[dict[str, Any]]]:
    manifest = ExportManifest.model_validate_json((folder / "manifest.json").read_text())
    rows = [row for f in manifest.files for row in pq.read_table(folder / f.name).to_pylist()]
    return manifest, rows


def test_thirty_days_of_changes_are_at_every_step_what_is_full(world):
    chance = random.Random(30)
    held: Held = {}
    acknowledged: int | None = None
    for day in range(30):
        version = world.publish("vip", share=chance.choice([0.2, 0.5, 0.5, 0.8, 0.0]))
        world.export(mode="changes", format="parquet", columns=SENT, rows_per_file=400)
        if day % 7 == 3:
            another_day(world, chance)
            continue  # a day without a delivery: the next one stands on an older version
        world.queue("crm", "vip", version)
        drain(world)
        manifest, rows = read(world.folder("crm", "vip", version))

        assert manifest.basis_version == acknowledged
        assert manifest.changes is not None
        assert sum(manifest.changes.values()) == len(rows)
        put(held, rows, afresh=manifest.basis_version is None)
        assert same(held, wanted(world, version)), day
        acknowledged = version
        another_day(world, chance)


def test_little_is_sent_where_little_changed(world):
    for share in (0.5, 0.5):
        version = world.publish("vip", share)
        world.export(mode="changes", format="jsonl", columns=SENT)
        world.queue("crm", "vip", version)
        drain(world)
    first, second = deliveries(world)[::-1]
    one, two = wanted(world, 1), wanted(world, 2)
    assert first.rows == len(one)
    assert second.rows == len(one.keys() ^ two.keys())


def test_a_repeat_gives_the_same_bytes_though_newer_ones_were_acknowledged(world):
    for _ in range(2):
        version = world.publish("vip")
        world.export(mode="changes", format="csv", columns=SENT)
        world.queue("crm", "vip", version)
        drain(world)
    folder = world.folder("crm", "vip", 2)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    drain(world)

    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.parametrize("columns", [["age"], [*SENT, "vip"]])
def test_other_columns_are_told_in_full(world, columns):
    for sent in (SENT, columns):
        version = world.publish("vip")
        world.export(mode="changes", format="parquet", columns=sent)
        world.queue("crm", "vip", version)
        drain(world)

    manifest, rows = read(world.folder("crm", "vip", 2))
    assert manifest.basis_version is None
    assert len(rows) == len(wanted(world, 2))


def test_an_operation_column_of_the_customers_own_is_refused(world):
    world.publish("vip")
    with pytest.raises(InvalidInput, match="problem"):
        world.export(mode="changes", columns=[{"column": "note", "as": "operation"}])


def test_a_folder_does_not_mirror(world):
    world.publish("vip")
    with pytest.raises(InvalidInput) as caught:
        world.export(mode="mirror")
    assert [p.pointer for p in caught.value.problems] == ["/mode"]


@pytest.fixture
def hook(world: World) -> Iterator[Receiver]:
    with running_receiver(KEY) as receiver:
        document = {"name": "there", "kind": "webhook", "url": receiver.url, "chunk_bytes": 20_000}
        secret = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}
        connect(world, document, secret)
        yield receiver


def refusing(held: Held, refuse: Callable[[str], bool]) -> Callable[[str, bytes], Any]:
    """Return a receiver's behaviour: it keeps rows in `held`, all but those it refuses."""

    def behave(_: str, body: bytes) -> Any:
        message = json.loads(body)
        if message["type"] != "muster.members":
            return OK
        data = message["data"]
        if data["number"] == 0 and data["basis_version"] is None:
            held.clear()
        refused = []
        for place, row in enumerate(data["rows"]):
            operation = row.pop("operation")
            if refuse(row["id"]):
                refused.append({"row": place, "reason": f"{row['id']} is canary"})
            elif operation == "remove":
                held.pop(row["id"], None)
            else:
                held[row["id"]] = row
        return 200, {"content-type": "application/json"}, json.dumps({"refused": refused}).encode()

    return behave


def test_refused_rows_are_offered_again_until_they_are_taken_or_gone(world, hook):
    chance = random.Random(8)
    held: Held = {}
    bad: set[str] = set()
    hook.behave = refusing(held, lambda key: key in bad)
    for day in range(12):
        version = world.publish("vip")
        keys = sorted(wanted(world, version))
        bad.clear()
        bad.update(chance.sample(keys, 40) if day < 11 else [])
        world.export(connection="there", mode="changes", columns=SENT)
        world.queue("crm", "vip", version)
        drain(world)
        now = wanted(world, version)

        assert deliveries(world)[0].state == "delivered"
        assert {k for k in held if k not in bad} == {k for k in now if k not in bad}
        if day < 11:
            another_day(world, chance)
    assert held.keys() == wanted(world, 12).keys()
    assert all(held[key]["age"] == row["age"] for key, row in wanted(world, 12).items())
    with transaction(world.database) as connection:
        assert connection.execute(sa.select(delivery_refused)).all() == []


def test_a_refused_row_is_kept_by_its_place_and_no_word_of_the_receiver(world, hook):
    held: Held = {}
    world.publish("vip")
    first = min(wanted(world, 1))
    hook.behave = refusing(held, lambda key: key == first)
    world.export(connection="there", mode="changes", columns=SENT)
    world.queue("crm", "vip", 1)
    drain(world)

    with transaction(world.database) as connection:
        (row,) = connection.execute(sa.select(delivery_refused)).all()
    assert (row.operation, row.reason, row.attempts) == ("add", "refused", 1)
    assert "canary" not in str(row)
    assert first not in str(row)


def test_after_half_a_version_everything_is_told(world, hook):
    world.publish("vip")
    world.export(connection="there", mode="changes", columns=SENT)
    world.queue("crm", "vip", 1)
    drain(world)
    count = iter(range(100))
    hook.behave = lambda _id, _body: OK if next(count) < 1 else (400, {}, b"")
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)
    hook.behave = lambda _id, _body: OK
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)

    states = [d.state for d in deliveries(world)]
    assert states == ["delivered", "failed", "delivered"]
    last = json.loads(hook.taken[-1][1])["data"]
    assert last["basis_version"] is None
    with transaction(world.database) as connection:
        counts = connection.scalars(sa.select(delivery.c.counts).order_by(delivery.c.id)).all()
    assert counts[-1] == {"add": len(wanted(world, 3)), "update": 0, "remove": 0}


def test_missing_equals_missing_and_no_number_equals_itself():
    nan = float("nan")
    one = pa.chunked_array([pa.array([1.0, None, nan, None, nan])])
    other = pa.chunked_array([pa.array([1.0, None, nan, 2.0, 1.0])])
    assert unequal(one, other).tolist() == [False, False, False, True, True]
    lists = pa.chunked_array([pa.array([["a"], None, ["a", None]], pa.list_(pa.string()))])
    others = pa.chunked_array([pa.array([["a"], [], ["a", "null"]], pa.list_(pa.string()))])
    assert unequal(lists, others).tolist() == [False, True, True]
    assert unequal(lists.slice(0, 0), others.slice(0, 0)).dtype == np.bool_


def test_another_place_is_told_everybody(world, tmp_path):
    (tmp_path / "other").mkdir()
    world.publish("vip")
    world.export(mode="changes")
    world.queue("crm", "vip", 1)
    drain(world)
    world.export(mode="changes", connection={"kind": "folder", "path": str(tmp_path / "other")})
    world.queue("crm", "vip", world.publish("vip"))
    drain(world)

    there = tmp_path / "other" / "crm" / "vip" / "version=2" / "manifest.json"
    manifest = ExportManifest.model_validate_json(there.read_bytes())
    assert manifest.basis_version is None
    assert manifest.changes == {"add": manifest.members, "update": 0, "remove": 0}


def test_a_connection_that_leads_elsewhere_now_is_told_everybody(world, tmp_path):
    """Also where the delivery had begun at the place before, and messages of it had arrived there."""
    with running_receiver(KEY) as one, running_receiver(KEY) as other:
        there = {"name": "there", "kind": "webhook", "chunk_bytes": 20_000}
        connect(world, {**there, "url": one.url}, SECRET)
        world.publish("vip")
        world.export(mode="changes", connection="there", columns=SENT)
        world.queue("crm", "vip", 1)
        drain(world)
        world.queue("crm", "vip", world.publish("vip"))
        one.behave = lambda name, _: OK if name == "crm.vip.2.0" else (404, {}, b"")
        drain(world)
        assert deliveries(world)[0].state == "failed"
        assert json.loads(dict(one.taken)["crm.vip.2.0"])["data"]["basis_version"] == 1

        connect(world, {**there, "url": other.url}, SECRET)
        with transaction(world.database) as connection:
            request_delivery(connection, "crm", actor="test")
        drain(world)

    assert deliveries(world)[0].state == "delivered"
    told = [json.loads(body)["data"] for name, body in other.taken if not name.endswith("end")]
    assert {data["basis_version"] for data in told} == {None}
    assert {name for name, _ in other.taken}.isdisjoint(name for name, _ in one.taken)
    rows = [row for data in told for row in data["rows"]]
    assert [row["id"] for row in rows] == world.members("vip", 2, ["id"])["id"].to_pylist()
