from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import sqlalchemy as sa
from pydantic import SecretStr
from pyspark.sql import SparkSession
from tests.shop import Shop, write_shop

from muster_core.catalog.document import Catalog
from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.location import Lake
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.run import request_refresh
from muster_core.storage.segment import apply_segment
from muster_core.storage.snapshot import publish_snapshot, take_lease
from muster_worker.app import Worker
from muster_worker.prepare.preparation import Preparation, prepare

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A worker on real parts, and the short way to what it did."""

    database: sqlalchemy.Engine
    settings: Settings
    worker: Worker

    def apply_catalog(self, shop: Shop) -> None:
        document = read_catalog(shop.catalog.read_text(), str(shop.catalog))
        inspection = resolve_catalog(document, base=shop.folder)
        with transaction(self.database) as connection:
            apply_catalog(connection, inspection.catalog)

    def apply_segments(self, documents: Sequence[Mapping[str, Any]]) -> None:
        with transaction(self.database) as connection:
            for document in documents:
                apply_segment(connection, parse_segment(document))

    def request(self, *names: str, as_of: datetime | None = None) -> dict[str, int]:
        with transaction(self.database) as connection:
            asked = request_refresh(connection, names=names or None, as_of=as_of, actor="test")
        return {run.name: run.run_id for run in asked}

    def refresh(self, *names: str, as_of: datetime | None = None) -> dict[str, Row]:
        """Request these segments (all without names), work until nothing is left, return their runs."""
        asked = self.request(*names, as_of=as_of)
        while self.worker.work_once():
            pass
        return {name: self.run(run_id) for name, run_id in asked.items()}

    def run(self, run_id: int) -> Row:
        return self.rows("SELECT * FROM refresh_run WHERE id = :id", id=run_id)[0]

    def batch(self, run: Row) -> Row:
        return self.rows("SELECT * FROM batch WHERE id = :id", id=run["batch_id"])[0]

    def rows(self, statement: str, **given: Any) -> list[Row]:
        with transaction(self.database) as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), given).mappings()]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop nobody changes."""
    return write_shop(tmp_path_factory.mktemp("shop"), customers=3_000, orders=20_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The shop's store, prepared once for all tests that leave it as it is."""

    lake_url: str
    catalog: Catalog
    preparation: Preparation


@pytest.fixture(scope="session")
def prepared_shop(
    shop: Shop, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    lake = tmp_path_factory.mktemp("lake")
    document = read_catalog(shop.catalog.read_text(), str(shop.catalog))
    catalog = resolve_catalog(document, base=shop.folder).catalog
    preparation = prepare(spark, Lake(str(lake)), catalog, parent=None, partitions=4)
    return Prepared(lake_url=str(lake), catalog=catalog, preparation=preparation)


def make_settings(
    home: Path, *, database_url: str, redis_url: str, engine_url: str, lake_url: str
) -> Settings:
    return Settings(
        home=home,
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        engine=SecretStr(engine_url),
        lake_url=lake_url,
        partitions=4,
        backoff_seconds=0.1,
        stop_grace_seconds=0.2,
    )


@pytest.fixture
def bench(
    database: sqlalchemy.Engine,
    database_url: str,
    redis_url: str,
    engine_url: str,
    lake_url: str,
    tmp_path: Path,
) -> Iterator[Bench]:
    """A worker that has nothing yet."""
    settings = make_settings(
        tmp_path / "home",
        database_url=database_url,
        redis_url=redis_url,
        engine_url=engine_url,
        lake_url=lake_url,
    )
    worker = Worker(database=database, settings=settings, name="worker@test:1")
    yield Bench(database=database, settings=settings, worker=worker)
    worker.close()


@pytest.fixture
def ready(
    database: sqlalchemy.Engine,
    database_url: str,
    redis_url: str,
    engine_url: str,
    prepared_shop: Prepared,
    tmp_path: Path,
) -> Iterator[Bench]:
    """A worker whose store is prepared already; tests must not change its files."""
    settings = make_settings(
        tmp_path / "home",
        database_url=database_url,
        redis_url=redis_url,
        engine_url=engine_url,
        lake_url=prepared_shop.lake_url,
    )
    made = prepared_shop.preparation
    with transaction(database) as connection:
        catalog_id, _ = apply_catalog(connection, prepared_shop.catalog)
        fence = take_lease(connection, owner="test", lease=settings.lease)
        assert fence is not None
        publish_snapshot(
            connection,
            fence=fence,
            parent_id=None,
            generation=made.manifest.generation,
            manifest=made.manifest_path,
            manifest_sha256=made.sha256,
            catalog_id=catalog_id,
            customers=made.manifest.customers,
            report=made.report,
        )
    worker = Worker(database=database, settings=settings, name="worker@test:1")
    yield Bench(database=database, settings=settings, worker=worker)
    worker.close()
