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
from tests.shop import Shop, write_shop

from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.rules.document import parse_segment
from muster_core.settings import Settings
from muster_core.storage.catalog import apply_catalog
from muster_core.storage.database import transaction
from muster_core.storage.run import request_refresh
from muster_core.storage.segment import apply_segment
from muster_worker.app import Worker

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


@pytest.fixture
def settings(
    database_url: str, redis_url: str, engine_url: str, lake_url: str, tmp_path: Path
) -> Settings:
    return Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        engine=SecretStr(engine_url),
        lake_url=lake_url,
        partitions=4,
        backoff_seconds=0.1,
        stop_grace_seconds=0.2,
    )


@pytest.fixture
def bench(database: sqlalchemy.Engine, settings: Settings) -> Iterator[Bench]:
    worker = Worker(database=database, settings=settings, name="worker@test:1")
    yield Bench(database=database, settings=settings, worker=worker)
    worker.close()
