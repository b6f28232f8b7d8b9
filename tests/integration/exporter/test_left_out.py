"""Who is never sent: members of suppression segments, and a holdout that is always the same."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import deliveries, drain
from tests.integration.exporter.world import World

from muster_core.errors import InvalidInput, NotFound
from muster_core.exports.manifest import ExportManifest
from muster_core.lake.exclusion import in_holdout
from muster_core.storage.database import transaction
from muster_core.storage.export_request import request_delivery
from muster_core.storage.run_table import membership_pointer

pytestmark = pytest.mark.integration


def ids(world: World, version: int, name: str = "vip") -> set[str]:
    return set(world.members(name, version, ["id"]).column("id").to_pylist())


def sent(world: World, version: int) -> tuple[ExportManifest, list[dict[str, object]]]:
    folder = world.folder("crm", "vip", version)
    manifest = ExportManifest.model_validate_json((folder / "manifest.json").read_text())
    rows = [row for f in manifest.files for row in pq.read_table(folder / f.name).to_pylist()]
    return manifest, rows


def deliver(world: World, version: int) -> None:
    world.queue("crm", "vip", version)
    drain(world)


def test_members_of_a_suppression_segment_are_never_sent_and_a_repeat_leaves_out_the_same(world):
    world.publish("vip", 0.7)
    world.publish("opted_out", 0.3)
    world.export(format="parquet", columns=["age"], suppress=["opted_out"])
    deliver(world, 1)
    manifest, rows = sent(world, 1)
    left = ids(world, 1) - ids(world, 1, "opted_out")

    assert {row["id"] for row in rows} == left
    assert (manifest.members, manifest.left_out) == (len(left), len(ids(world, 1)) - len(left))
    # another version of the suppression segment counts for the next version only
    world.publish("opted_out", 0.9)
    before = (world.folder("crm", "vip", 1) / "part-00000.parquet").read_bytes()
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    drain(world)
    assert (world.folder("crm", "vip", 1) / "part-00000.parquet").read_bytes() == before
    world.publish("vip", 0.7)
    deliver(world, 2)
    assert {row["id"] for row in sent(world, 2)[1]} == ids(world, 2) - ids(world, 2, "opted_out")


def test_changes_remove_whom_nobody_may_have_any_more(world):
    everybody = {key for p in world.profiles for key in p.column("id").to_pylist()}
    held: set[str] = set()
    for version, share in enumerate((0.1, 0.4, 0.2), start=1):
        world.publish("vip", keys=everybody)
        world.publish("opted_out", share)
        world.export(mode="changes", format="parquet", columns=["age"], suppress=["opted_out"])
        deliver(world, version)
        manifest, rows = sent(world, version)
        assert (manifest.basis_version is None) is (version == 1)
        for row in rows:
            (held.discard if row["operation"] == "remove" else held.add)(str(row["id"]))
        assert held == ids(world, version) - ids(world, version, "opted_out")


@pytest.mark.parametrize("fault", ["never published", "no longer kept"])
def test_nothing_is_sent_where_it_is_not_known_who_must_not_get_it(world, fault):
    world.publish("vip")
    world.publish("opted_out")
    world.export(columns=["age"], suppress=["opted_out"])
    with transaction(world.database) as connection:
        if fault == "never published":
            connection.execute(
                sa.text("UPDATE segment SET published_version = NULL WHERE name = 'opted_out'")
            )
        else:
            version = sa.text("segment_id = (SELECT id FROM segment WHERE name = 'opted_out')")
            connection.execute(membership_pointer.delete().where(version))
    deliver(world, 1)
    (found,) = deliveries(world)
    assert (found.state, found.error_class) == ("failed", "nothing_to_suppress")
    assert not world.folder("crm", "vip", 1).exists()
    # once it is known, the delivery can be made
    if fault == "never published":
        with transaction(world.database) as connection:
            connection.execute(
                sa.text("UPDATE segment SET published_version = 1 WHERE name = 'opted_out'")
            )
    else:
        world.publish("opted_out")
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    drain(world)
    assert deliveries(world)[0].state == "delivered"


def test_a_holdout_is_the_same_in_every_version(world):
    everybody = pa.array([key for p in world.profiles for key in p.column("id").to_pylist()])
    out = in_holdout(everybody, share=0.2, name="spring")
    never = set(everybody.filter(pa.array(out)).to_pylist())
    for version in (1, 2):
        world.publish("vip")
        world.export(format="parquet", columns=["age"], holdout={"percent": 20, "name": "spring"})
        deliver(world, version)
        rows = {row["id"] for row in sent(world, version)[1]}
        assert rows == ids(world, version) - never
    assert 0.1 < np.mean(out) < 0.3


def test_columns_are_normalised_and_hashed_and_the_manifest_says_so(world):
    world.publish("vip")
    column = {"column": "email", "as": "em", "normalise": "email", "hash": "sha256"}
    world.export(format="parquet", columns=[column, "email"])
    deliver(world, 1)
    manifest, rows = sent(world, 1)
    assert rows
    for row in rows:
        email = row["email"]
        wanted = None if email is None else hashlib.sha256(str(email).encode()).hexdigest()
        assert row["em"] == wanted
    assert [(c.name, c.normalise, c.hash) for c in manifest.columns] == [
        ("id", None, None),
        ("em", "email", "sha256"),
        ("email", None, None),
    ]


@pytest.mark.parametrize("column", ["age", "id", "tags"])
def test_only_text_that_is_not_the_key_can_be_hashed(world, column):
    world.publish("vip")
    with pytest.raises(InvalidInput) as caught:
        world.export(columns=[{"column": column, "hash": "sha256"}])
    assert [p.pointer for p in caught.value.problems] == ["/columns/0"]


def test_a_suppression_segment_must_exist(world):
    world.publish("vip")
    with pytest.raises(NotFound):
        world.export(suppress=["nobody"])
