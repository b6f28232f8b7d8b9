"""Members, counts and changes depend on neither partitions, tasks, memory nor source."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.integration.worker.independence import POSTGRES, PreparedShop, check, shop_in_postgres
from tests.shop import CATALOG, Shop

from muster_core.lake.location import Lake

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def _lake(folder: Path, name: str) -> Lake:
    (folder / name).mkdir()
    return Lake(str(folder / name))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_members_counts_and_changes_are_the_same_however_the_work_is_cut(
    spark: SparkSession,
    shop: Shop,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = PreparedShop.of(spark, _lake(tmp_path, "1"), CATALOG, shop, 1)
    expected = whole.evaluate()
    check(shop, expected)
    assert whole.evaluate(tight=True) == expected

    many = PreparedShop.of(spark, _lake(tmp_path, "16"), CATALOG, shop, 16)
    assert many.evaluate() == expected
    assert many.evaluate(tasks=3, tight=True) == expected

    with shop_in_postgres(postgres_url, shop, "source_of_independence") as url:
        monkeypatch.setenv("MUSTER_SOURCE_SHOP_URL", url)
        other = PreparedShop.of(spark, _lake(tmp_path, "4"), POSTGRES, shop, 4)
        assert other.evaluate(tasks=1) == expected
