from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import Engine
from tests.shop import Shop, add_orders, write_shop

from muster_core.catalog.text import read_catalog
from muster_core.errors import NotFound
from muster_core.lake.inspect import resolve_catalog
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.arrival import get_arrival, set_arrival, unset_arrival
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.segment import apply_segment
from muster_scheduler.arrival import ArrivalWatch

pytestmark = pytest.mark.integration

AT_ONCE = timedelta(0)


@pytest.fixture
def shop(tmp_path: Path, database: Engine) -> Shop:
    shop = write_shop(tmp_path / "shop", customers=50, orders=100)
    document = read_catalog(shop.catalog.read_text(), str(shop.catalog))
    with transaction(database) as connection:
        apply_catalog(connection, resolve_catalog(document, base=shop.folder).catalog)
        for name in ("one", "two"):
            apply_segment(connection, parse_segment({"name": name}))
    return shop


@pytest.fixture
def watch(database: Engine, database_url: str, tmp_path: Path) -> ArrivalWatch:
    settings = Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
    )
    return ArrivalWatch(database, settings, name="scheduler one")


def arrive(shop: Shop, first: int) -> None:
    keys = shop.frame("customers")["customer_id"].to_numpy(zero_copy_only=False)
    add_orders(shop.folder, keys, 10, first=first, random=np.random.default_rng(first))


def ask(database: Engine, query: str) -> list[tuple[object, ...]]:
    with transaction(database) as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_new_files_start_the_system_refresh_at_most_once_in_the_interval(
    shop: Shop, watch: ArrivalWatch, database: Engine
) -> None:
    assert not watch.look(AT_ONCE)
    with transaction(database) as connection:
        set_arrival(connection, every=timedelta(hours=1), segments=None)
    assert not watch.look(AT_ONCE)  # what is there now is known
    assert not watch.look(AT_ONCE)

    arrive(shop, 1_000)
    assert watch.look(AT_ONCE)
    assert not watch.look(AT_ONCE)
    assert ask(database, "SELECT trigger, actor FROM system_refresh") == [
        ("arrival", "scheduler one")
    ]
    assert ask(database, "SELECT count(*) FROM refresh_run") == [(2,)]

    # within the interval nothing is started, and nothing is forgotten
    arrive(shop, 2_000)
    assert not watch.look(AT_ONCE)
    with transaction(database) as connection:
        connection.execute(
            sa.text(
                "UPDATE setting SET value = value || jsonb_build_object('started_at',"
                " clock_timestamp() - interval '61 minutes') WHERE name = 'arrival'"
            )
        )
    assert watch.look(AT_ONCE)
    assert ask(database, "SELECT count(*) FROM system_refresh") == [(2,)]


def test_chosen_segments_only_and_one_scheduler_looks_in_a_pause(
    shop: Shop, watch: ArrivalWatch, database: Engine
) -> None:
    with transaction(database) as connection:
        set_arrival(connection, every=timedelta(minutes=1), segments=["two"])
    watch.look(AT_ONCE)
    arrive(shop, 1_000)

    assert not watch.look()  # somebody has just looked
    assert watch.look(AT_ONCE)
    assert ask(
        database,
        "SELECT s.name FROM refresh_run r JOIN segment s ON s.id = r.segment_id",
    ) == [("two",)]
    with transaction(database) as connection:
        rule = get_arrival(connection)
        assert rule is not None
        assert rule.started_at is not None
        unset_arrival(connection)
        assert get_arrival(connection) is None
    assert not watch.look(AT_ONCE)


def test_a_segment_that_does_not_exist_cannot_be_started(shop: Shop, database: Engine) -> None:
    with pytest.raises(NotFound), transaction(database) as connection:
        set_arrival(connection, every=timedelta(minutes=1), segments=["three"])
