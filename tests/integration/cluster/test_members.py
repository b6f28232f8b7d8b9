"""The same members and counts from files and from a database, whatever engine works, in any number of partitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.cluster.conftest import Cluster
from tests.integration.worker.independence import (
    POSTGRES,
    Found,
    PreparedShop,
    check,
    shop_in_postgres,
)
from tests.shop import CATALOG, Shop
from tests.waiting import eventually

from muster_core.lake.location import Lake
from muster_worker.client import EngineClient

pytestmark = [pytest.mark.integration, pytest.mark.spark, pytest.mark.long]


@pytest.fixture
def shop_database(postgres_url: str, shop: Shop) -> Iterator[str]:
    """A database with the rows of the shop's files."""
    with shop_in_postgres(postgres_url, shop, "source_of_the_cluster") as url:
        yield url


@pytest.mark.timeout(900)
def test_members_depend_on_neither_source_nor_engine_nor_partitions(
    cluster: Cluster,
    engine_url: str,
    shop: Shop,
    shop_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", shop_database)
    eventually(lambda: len(cluster.executors()) == 2, 60)
    expected: Found | None = None
    for engine, url in (("local", engine_url), ("cluster", cluster.url)):
        client = client_of(url)
        try:
            for source, catalog in (("parquet", CATALOG), ("postgres", POSTGRES)):
                for partitions in (1, 4, 16):
                    case = f"{engine}-{source}-{partitions}"
                    lake = tmp_path / case
                    lake.mkdir()
                    made = PreparedShop.of(
                        client.session(), Lake(str(lake)), catalog, shop, partitions
                    )
                    found = made.evaluate()
                    if expected is None:
                        expected = found
                        check(shop, found)
                    assert found == expected, case
        finally:
            client.discard()


def client_of(url: str) -> EngineClient:
    return EngineClient(lambda: url)
