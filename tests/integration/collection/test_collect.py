from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.integration.collection.world import AT_ONCE, LEASE, World

from muster_core.collection.collect import collect, preview
from muster_core.collection.keeping import Keeping
from muster_core.errors import Conflict, LeaseLost, SnapshotMoved, StoreDamaged
from muster_core.lake.matrix import Matrix
from muster_core.rules.document import parse_segment
from muster_core.storage.collection import require_kept, take_collection
from muster_core.storage.database import transaction
from muster_core.storage.export_request import request_delivery
from muster_core.storage.membership import published_membership
from muster_core.storage.publication import pin_snapshot
from muster_core.storage.run import request_refresh, retry_run
from muster_core.storage.segment import apply_segment
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration

WEEK = Keeping(snapshots=timedelta(days=7), versions=2, grace=timedelta(days=7))


def expired(world: World) -> list[int]:
    return [i for (i,) in world.ask("SELECT id FROM snapshot WHERE expired_at IS NOT NULL")]


def age(world: World, days: int) -> None:
    """Let everything in the database have happened `days` earlier."""
    shift = f"- interval '{days} days'"
    world.tell(f"UPDATE snapshot SET created_at = created_at {shift}")  # noqa: S608
    world.tell(f"UPDATE garbage SET marked_at = marked_at {shift}")  # noqa: S608


def test_only_what_two_collections_found_unnamed_a_grace_apart_is_removed(world: World):
    world.refresh()
    first = world.paths()
    ((store,),) = world.ask("SELECT manifest FROM snapshot")
    world.prepare()
    world.refresh()
    world.deliver(finish=True)
    while world.ask("SELECT 1 FROM delivery WHERE state = 'pending'"):
        world.deliver(finish=True)

    kept = world.collect(WEEK)
    assert (kept.snapshots_expired, kept.files_removed) == (0, 0)
    assert expired(world) == []

    found = world.collect()
    assert found.snapshots_expired == 1
    assert found.files_marked > 0
    assert world.lake.exists(store)
    removed = world.collect()
    assert removed.files_removed == found.files_waiting
    assert removed.bytes_removed == found.bytes_waiting > 0
    assert not first <= world.paths()
    assert world.collect().files_removed == 0
    world.check_readable()


def test_a_dry_run_says_the_same_and_changes_nothing(world: World):
    for _ in range(3):
        world.prepare()
        world.refresh()
    before = world.paths()
    said = preview(world.database, world.lake, AT_ONCE)
    assert said.dry_run
    assert (expired(world), world.ask("SELECT path FROM garbage")) == ([], [])
    did = world.collect()
    assert (did.snapshots_expired, did.versions_expired) == (
        said.snapshots_expired,
        said.versions_expired,
    )
    assert did.files_marked == said.files_marked > 0
    said = preview(world.database, world.lake, AT_ONCE)
    assert world.paths() == before
    assert world.collect().files_removed == said.files_removed > 0


def test_a_segment_refreshed_long_ago_pins_its_own_word_and_no_other(world: World):
    with transaction(world.database) as connection:
        for number in range(300):
            apply_segment(connection, parse_segment({"name": f"more{number}"}))
    world.refresh()
    (old,) = world.ask("SELECT DISTINCT manifest, manifest_sha256 FROM membership_pointer")
    assert Matrix.open(world.lake, *old).manifest.words == 5
    others = [f"more{number}" for number in range(1, 300)] + [f"s{number}" for number in range(6)]
    for _ in range(2):
        world.refresh(others)
    while world.ask("SELECT 1 FROM delivery WHERE state = 'pending'"):
        world.deliver(finish=True)

    assert world.collect().matrices_repacked == 1
    manifest, sha256, bit = world.ask(
        "SELECT manifest, manifest_sha256, bit FROM membership_pointer p JOIN segment s"
        " ON s.id = p.segment_id WHERE s.name = 'more0'"
    )[0]
    packed = Matrix.open(world.lake, manifest, sha256).manifest
    assert (packed.words, packed.segments, bit) == (1, {"more0": 0}, 0)
    world.collect()
    assert not world.lake.exists(old[0])
    world.check_readable()


def test_damage_is_not_copied_into_a_new_membership(world: World):
    with transaction(world.database) as connection:
        for number in range(100):
            apply_segment(connection, parse_segment({"name": f"more{number}"}))
    world.refresh()
    (old,) = world.ask("SELECT DISTINCT manifest, manifest_sha256 FROM membership_pointer")
    path = Matrix.open(world.lake, *old).manifest.files[0].path
    for _ in range(2):
        world.refresh([f"more{number}" for number in range(1, 100)])
        world.refresh([f"s{number}" for number in range(6)])
    while world.ask("SELECT 1 FROM delivery WHERE state = 'pending'"):
        world.deliver(finish=True)
    world.lake.write_bytes(path, b"nothing of the kind")
    before = world.paths()
    with pytest.raises(StoreDamaged):
        world.collect()
    assert world.paths() >= before
    assert world.ask("SELECT error_class, lease_owner FROM collector") == [("store_damaged", None)]


def test_nothing_goes_while_a_manifest_that_is_needed_is_missing(world: World):
    world.prepare()
    world.collect()
    ((path,),) = world.ask("SELECT manifest FROM snapshot ORDER BY id DESC LIMIT 1")
    world.lake.remove([path], below="store")
    before = world.paths()
    with pytest.raises(StoreDamaged):
        world.collect()
    assert world.paths() == before


def test_what_is_being_written_stays_and_what_a_lost_lease_left_goes(world: World):
    flight = world.begin_batch()
    assert flight is not None
    world.begin_preparation()
    for _ in range(3):
        world.collect()
        world.check_readable()
    world.lose_batch(flight)
    assert world.preparing is not None
    written = world.preparing[1]
    world.lose_preparation()
    # the lease has ended, and yet the grace has not
    world.collect(WEEK)
    age(world, 8)
    assert world.collect(WEEK).files_removed == 0
    world.collect()
    world.collect()
    left = world.paths()
    assert not left & {*flight.files, *written}
    assert not (world.lake.root / flight.files[0]).parent.exists()


def test_files_of_tables_that_are_no_longer_in_the_catalog_go_while_nobody_prepares(world: World):
    world.lake.write_bytes("sources/gone/d/manifest-00000001.json", b"{}")
    world.begin_preparation()
    for _ in range(3):
        world.collect()
    assert world.lake.exists("sources/gone/d/manifest-00000001.json")
    world.lose_preparation()
    world.collect()
    assert not world.lake.exists("sources/gone/d/manifest-00000001.json")
    # what the preparation before said stays known
    assert world.ask("SELECT lease_owner, lease_expires_at FROM store_head") == [(None, None)]


def test_two_never_collect_at_once_and_a_stopped_one_is_gone_on_with(world: World):
    world.prepare()
    with transaction(world.database) as connection:
        fence = take_collection(connection, owner="other", lease=LEASE)
    assert fence is not None
    assert collect(world.database, world.lake, AT_ONCE, owner="test", lease=LEASE) is None
    world.tell("UPDATE collector SET lease_expires_at = clock_timestamp()")
    stop = threading.Event()
    stop.set()
    with pytest.raises(LeaseLost):
        collect(world.database, world.lake, AT_ONCE, owner="test", lease=LEASE, stop=stop)
    world.collect()
    assert world.collect().files_removed > 0


def test_the_daily_collection_waits_for_its_time(world: World):
    def daily() -> bool:
        day = timedelta(days=1)
        found = collect(world.database, world.lake, WEEK, owner="beat", lease=LEASE, every=day)
        return found is not None

    assert (daily(), daily()) == (True, False)
    world.tell("UPDATE collector SET finished_at = finished_at - interval '25 hours'")
    assert not daily()
    world.tell("UPDATE collector SET started_at = started_at - interval '2 hours'")
    assert daily()


def test_an_expired_snapshot_is_not_taken_up_again(world: World):
    ((first, *_),) = world.ask("SELECT snapshot_id FROM store_head")
    with transaction(world.database) as connection:
        request_refresh(connection, names=["s0"], actor="test")
    claim = world.claim()
    assert claim is not None
    world.prepare()
    world.collect()
    assert expired(world) == [first]
    with pytest.raises(SnapshotMoved), transaction(world.database) as connection:
        pin_snapshot(connection, claim, first)


def test_a_failed_run_of_an_expired_system_refresh_is_not_tried_again(world: World):
    world.tell(
        "INSERT INTO system_refresh (due_at, trigger, snapshot_id, state)"
        " SELECT now(), 'manual', snapshot_id, 'failed' FROM store_head"
    )
    world.tell(
        "INSERT INTO refresh_run (segment_id, due_at, trigger, state, system_refresh_id)"
        " SELECT 1, now(), 'system', 'failed', id FROM system_refresh"
    )
    world.prepare()
    world.collect()
    with pytest.raises(Conflict, match="no longer kept"), transaction(world.database) as connection:
        retry_run(connection, 1, actor="test")


def test_only_a_version_that_is_kept_with_its_snapshot_can_be_taken_up_again(world: World):
    world.refresh(["s1"])
    world.prepare()
    world.refresh(["s1"])
    with transaction(world.database) as connection:
        require_kept(connection, 2, 1)
    world.collect()
    for version in (1, 3):
        with pytest.raises(Conflict, match="kept"), transaction(world.database) as connection:
            require_kept(connection, 2, version)
    with transaction(world.database) as connection:
        require_kept(connection, 2, 2)


def test_a_repeat_of_the_latest_changes_finds_what_they_started_from(world: World):
    world.refresh(["s0"])
    world.prepare()
    world.refresh(["s0"])
    while world.ask("SELECT 1 FROM delivery WHERE state = 'pending'"):
        world.deliver(finish=True)
    world.tell("""UPDATE delivery SET basis = '{"version": 1}' WHERE version = 2""")
    for _ in range(2):
        world.collect()
    with transaction(world.database) as connection:
        require_kept(connection, 1, 1)
    world.tell("UPDATE delivery SET basis = NULL")
    world.collect()
    with pytest.raises(Conflict), transaction(world.database) as connection:
        require_kept(connection, 1, 1)


def test_a_segment_that_comes_back_after_its_members_went_has_none(world: World):
    world.refresh()
    with transaction(world.database) as connection:
        delete_segment(connection, "s1")
    world.collect()
    with transaction(world.database) as connection:
        apply_segment(connection, parse_segment({"name": "s1"}))
        with pytest.raises(Conflict, match="no members"):
            published_membership(connection, "s1")
        apply_export_of(connection, world, "s1")
        (asked,) = request_delivery(connection, "late", actor="test")
    assert asked.version is None
    world.refresh()
    world.check_readable()


def apply_export_of(connection: sa.Connection, world: World, name: str) -> None:
    from muster_core.exports.document import parse_export
    from muster_core.storage.export import apply_export

    folder = {"kind": "folder", "path": str(world.target)}
    apply_export(
        connection, parse_export({"name": "late", "connection": folder, "segments": [name]})
    )


def test_a_restore_within_the_grace_finds_every_file_its_database_names(world: World):
    """What was needed at the time of a backup is there until a grace later, whatever was collected since."""
    keeping = Keeping(snapshots=timedelta(0), versions=1, grace=timedelta(days=2))
    world.refresh()
    while world.ask("SELECT 1 FROM delivery WHERE state = 'pending'"):
        world.deliver(finish=True)
    named = world.paths()
    for _ in range(3):
        world.prepare()
        world.refresh()
        world.collect(keeping)
        world.collect(keeping)
    assert expired(world)
    assert world.paths() >= {path for path in named if "plan-" not in path}
