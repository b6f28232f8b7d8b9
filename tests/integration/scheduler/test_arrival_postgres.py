"""Rows that arrive in a PostgreSQL source start what is to be refreshed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.settings import Settings
from muster_core.storage.arrival import set_arrival
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_scheduler.arrival import ArrivalWatch

pytestmark = pytest.mark.integration

CATALOG = """
profile:
  table: buyers
  key: id
  source: {postgres: {connection: SHOP, table: buyers, watermark: WATERMARK}}
"""

AT_ONCE = timedelta(0)


@pytest.fixture
def shop(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", database_url)
    run(
        database_url,
        "CREATE TABLE buyers (id text PRIMARY KEY, n bigint, at timestamptz, day date)",
        "INSERT INTO buyers VALUES ('a', 1, now() - interval '1 day', current_date - 1)",
    )
    return database_url


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def watch(database: Engine, database_url: str, tmp_path: Path) -> ArrivalWatch:
    settings = Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
    )
    return ArrivalWatch(database, settings, name="scheduler one")


def follow(database: Engine, watermark: str) -> None:
    document = read_catalog(CATALOG.replace("WATERMARK", watermark), "c.yaml")
    with transaction(database) as connection:
        apply_catalog(connection, resolve_catalog(document, base=Path("/")).catalog)
        set_arrival(connection, every=timedelta(0), segments=None)


@pytest.mark.parametrize("watermark", ["n", "at", "day"])
def test_a_new_watermark_is_an_arrival_and_one_of_the_future_hides_none(
    shop: str, watch: ArrivalWatch, database: Engine, watermark: str
) -> None:
    follow(database, watermark)
    assert not watch.look(AT_ONCE)  # what is there now is known
    assert not watch.look(AT_ONCE)
    if watermark != "n":
        run(shop, "INSERT INTO buyers VALUES ('f', 9, now() + interval '9 years', '2999-01-01')")
        assert not watch.look(AT_ONCE)
    run(shop, "INSERT INTO buyers VALUES ('b', 99, now(), current_date)")
    assert watch.look(AT_ONCE)
    assert not watch.look(AT_ONCE)


def test_a_server_that_is_away_is_no_arrival_and_neither_is_its_return(
    shop: str, watch: ArrivalWatch, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(database, "n")
    assert not watch.look(AT_ONCE)
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert not watch.look(AT_ONCE)
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", shop)
    assert not watch.look(AT_ONCE)
    run(shop, "INSERT INTO buyers VALUES ('b', 2, NULL, NULL)")
    assert watch.look(AT_ONCE)
