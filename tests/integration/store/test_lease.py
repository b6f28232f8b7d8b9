import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.integration.store.shop import Shop
from tests.waiting import eventually

from muster_core.errors import DuplicateKeys, LeaseLost, NotFound, SnapshotMoved
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import (
    extend_lease,
    publish_snapshot,
    read_head,
    release_lease,
    take_lease,
)
from muster_worker.prepare.lease import ensure_prepared

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path / "shop").customers(["a", "b"]).orders([("a", 1, 1, 1)])


@pytest.fixture
def settings(lake_url, tmp_path) -> Settings:
    return Settings(home=tmp_path, lake_url=lake_url, partitions=2)


def head(database):
    with transaction(database) as connection:
        return read_head(connection)


def apply(database, catalog):
    with transaction(database) as connection:
        return apply_catalog(connection, catalog)[0]


def take(database, owner="one", lease=MINUTE):
    with transaction(database) as connection:
        return take_lease(connection, owner=owner, lease=lease)


def publish(database, fence, parent, name, catalog_id):
    with transaction(database) as connection:
        return publish_snapshot(
            connection,
            fence=fence,
            parent_id=parent,
            generation=1,
            manifest=name,
            manifest_sha256="0",
            catalog_id=catalog_id,
            customers=1,
            report={},
        )


def no_engine():
    raise AssertionError("no engine session is needed here")


@pytest.mark.spark
def test_the_first_preparation_publishes_and_an_unchanged_source_needs_no_engine(
    database, spark, settings, shop
):
    apply(database, shop.catalog())
    stages = []
    made = ensure_prepared(
        database, lambda: spark, settings, owner="w", progress=lambda *s: stages.append(s)
    )
    assert not made.unchanged
    assert stages == [("customers", 0, 2), ("orders", 1, 2), ("prepared", 2, 2)]
    again = ensure_prepared(database, no_engine, settings, owner="w")
    assert again.unchanged
    assert (again.id, again.manifest) == (made.id, made.manifest)
    with database.connect() as connection:
        row = connection.execute(text("SELECT customers, report FROM snapshot")).one()
    assert row.customers == 2
    assert row.report["tables"]["orders"]["rows"] == 1
    assert not head(database).held

    shop.customers(["a", "b", "c"])
    later = ensure_prepared(database, lambda: spark, settings, owner="w")
    store = Store.open(Lake(settings.lake()), later.manifest, later.manifest_sha256)
    assert store.manifest.parent == made.manifest
    assert store.manifest.customers == 3


@pytest.mark.spark
def test_a_failed_preparation_publishes_nothing_and_says_why(database, spark, settings, shop):
    apply(database, shop.catalog())
    shop.customers(["a", "a", "b"])
    with pytest.raises(DuplicateKeys):
        ensure_prepared(database, lambda: spark, settings, owner="w")
    found = head(database)
    assert found.snapshot is None
    assert not found.held
    assert found.error_class == "duplicate_keys"
    assert "1 rows of customers repeat a key" in found.error
    assert not list(Lake(settings.lake()).root.rglob("*.json"))
    shop.customers(["a", "b"])
    ensure_prepared(database, lambda: spark, settings, owner="w")
    assert head(database).error is None


@pytest.mark.spark
def test_two_that_prepare_at_once_make_one_snapshot(database, spark, settings, shop):
    apply(database, shop.catalog())
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(ensure_prepared, database, lambda: spark, settings, owner=f"w{i}")
            for i in range(2)
        ]
        made = [b.result(timeout=120) for b in both]
    assert made[0].id == made[1].id
    assert sorted(m.unchanged for m in made) == [False, True]


@pytest.mark.spark
def test_a_holder_that_was_killed_is_followed_when_its_lease_ends(database, spark, settings, shop):
    apply(database, shop.catalog())
    killed = take(database, owner="killed", lease=timedelta(seconds=1))
    waited = []
    made = ensure_prepared(
        database, lambda: spark, settings, owner="w", progress=lambda *s: waited.append(s[0])
    )
    assert "waiting for killed" in waited
    with pytest.raises(LeaseLost):
        publish(database, killed, None, "late", apply(database, shop.catalog()))
    assert head(database).snapshot.id == made.id


@pytest.mark.spark
def test_a_long_preparation_keeps_its_lease(database, spark, settings, shop):
    apply(database, shop.catalog())
    short = settings.model_copy(update={"lease_seconds": 2.0})

    def slow_engine():
        with transaction(database) as connection:
            end = connection.scalar(text("SELECT lease_expires_at FROM store_head"))
        passed = text("SELECT clock_timestamp() > :end")
        with database.connect() as connection:
            eventually(lambda: connection.scalar(passed, {"end": end}), 10)
        assert head(database).held
        assert take(database, "thief") is None
        return spark

    made = ensure_prepared(database, slow_engine, short, owner="w")
    assert head(database).snapshot.id == made.id


def test_without_a_catalog_the_next_step_is_named(database, settings):
    with pytest.raises(NotFound, match="muster catalog apply"):
        ensure_prepared(database, no_engine, settings, owner="w")


def test_one_who_waits_ends_when_it_is_told_to(database, settings, shop):
    apply(database, shop.catalog())
    take(database, owner="somebody")
    waiting, stop = [], threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(
            ensure_prepared,
            database,
            no_engine,
            settings,
            owner="w",
            progress=lambda *s: waiting.append(s),
            stop=stop,
        )
        eventually(lambda: waiting)
        stop.set()
        with pytest.raises(LeaseLost):
            ended.result(timeout=10)
    assert waiting[0] == ("waiting for somebody", 0, 1)


def test_a_lease_has_one_holder_until_it_ends(database):
    fence = take(database)
    assert take(database, "two") is None
    with transaction(database) as connection:
        assert extend_lease(connection, fence=fence, lease=timedelta(0))
    later = eventually(lambda: take(database, "two"))
    assert later > fence
    with transaction(database) as connection:
        assert not extend_lease(connection, fence=fence, lease=MINUTE)
        release_lease(connection, fence=fence, error=None)
    assert head(database).owner == "two"


def test_a_holder_that_lost_its_lease_publishes_nothing(database, shop):
    catalog_id = apply(database, shop.catalog())
    slow = take(database, lease=timedelta(0))
    quick = eventually(lambda: take(database, "two"))
    first = publish(database, quick, None, "quick", catalog_id)
    with pytest.raises(LeaseLost):
        publish(database, slow, None, "slow", catalog_id)
    assert head(database).snapshot.id == first


def test_a_preparation_on_an_older_parent_is_refused(database, shop):
    catalog_id = apply(database, shop.catalog())
    first = publish(database, take(database), None, "first", catalog_id)
    with pytest.raises(SnapshotMoved):
        publish(database, take(database), None, "second", catalog_id)
    assert head(database).snapshot.id == first
