"""The benchmark's data: the same whenever it is made, times spread over all parts, the last day apart."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from benchmarks.data import AS_OF, DAYS, TABLES, Dataset, Shape, add_day, generate, linked

SHAPE = Shape(customers=500, rows=20)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return generate(SHAPE, tmp_path_factory.mktemp("data"), lambda done, total: None)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*.parquet")
    }


def test_one_seed_makes_the_same_files(dataset: Dataset, tmp_path: Path) -> None:
    again = generate(SHAPE, tmp_path, lambda done, total: None)

    assert digests(again.folder) == digests(dataset.folder)


def test_data_that_is_there_is_not_made_again(dataset: Dataset) -> None:
    told: list[int] = []

    found = generate(SHAPE, dataset.folder.parent, lambda done, total: told.append(done))

    assert (found, told) == (dataset, [])


@pytest.mark.parametrize("table", TABLES)
def test_every_part_has_rows_of_all_times_but_the_last_day(dataset: Dataset, table: str) -> None:
    day = pq.read_table(dataset.folder / "day" / f"{table}.parquet")["occurred_at"]
    begin, end = AS_OF - timedelta(days=DAYS), AS_OF - timedelta(days=1)
    rows = len(day)

    for file in dataset.files(table):
        times = pq.read_table(file)["occurred_at"]
        rows += len(times)
        assert begin <= pc.min(times).as_py() < begin + timedelta(days=30)
        assert end - timedelta(days=30) < pc.max(times).as_py() < end
    assert rows == SHAPE.customers * SHAPE.rows
    assert end <= pc.min(day).as_py() <= pc.max(day).as_py() < AS_OF


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_a_customer_and_a_few_have_very_many(dataset: Dataset, table: str) -> None:
    keys = pq.read_table(dataset.folder / "customers")["customer_id"]
    owners = pq.read_table(dataset.folder / table)["customer_id"]
    counts = sorted(pc.value_counts(owners).field("counts").to_pylist())

    assert len(set(keys.to_pylist())) == SHAPE.customers
    assert set(owners.to_pylist()) <= set(keys.to_pylist())
    assert counts[-1] > 20 * counts[len(counts) // 2]


def test_links_lack_the_last_day_until_it_is_added(dataset: Dataset, tmp_path: Path) -> None:
    links = linked(dataset, tmp_path)
    before = sum(pq.read_metadata(f).num_rows for t in TABLES for f in links.files(t))

    added = add_day(dataset, links)

    after = sum(pq.read_metadata(f).num_rows for t in TABLES for f in links.files(t))
    assert after == before + added == SHAPE.related
    assert links.files("activities")[-1].name == "z-last-day.parquet"
