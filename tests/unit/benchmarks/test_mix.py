"""The mix of segments, and that its SQL means what Muster's documents mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from benchmarks.data import AS_OF, TABLES, Dataset, Shape, catalog, generate
from benchmarks.mix import segments
from benchmarks.query import DUCKDB, alone, columns_needed, oldest_needed, together

from muster_core.catalog.text import read_catalog
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.kernel.source import ArrowPartition
from muster_core.kernel.tally import tallies_of
from muster_core.lake.inspect import resolve_catalog
from muster_core.rules.document import parse_segment


def test_every_ten_segments_have_the_shares_that_were_asked_for() -> None:
    found = segments(100)

    for first in range(0, 100, 10):
        ten = found[first : first + 10]
        tables = [tuple(sorted(a.table for a in s.aggregates)) for s in ten]
        assert tables.count(()) == 3
        assert tables.count(("transactions",)) == 4
        assert tables.count(("activities",)) == 2
        assert tables.count(("activities", "transactions")) == 1


def test_a_longer_mix_begins_with_the_shorter_one() -> None:
    assert segments(200)[:50] == segments(50)


def test_what_segments_need_is_all_they_name() -> None:
    found = segments(100)

    assert columns_needed(found) == {
        "customers": {"age", "city", "country", "joined", "opted_in", "plan", "points"},
        "transactions": {"amount", "category", "channel"},
        "activities": {"kind"},
    }
    assert {table: (AS_OF - at).days for table, at in oldest_needed(found).items()} == {
        "transactions": 365,
        "activities": 365,
    }


def test_queries_alone_and_together_count_what_the_kernels_count(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB comes with requirements-bench.txt")
    dataset = generate(Shape(customers=1_000), tmp_path, lambda done, total: None)
    connection: Any = duckdb.connect()
    for table in ("customers", *TABLES):
        connection.read_parquet(f"{dataset.folder}/{table}/*.parquet").create_view(table)
    mix = segments(200)

    one_by_one = [connection.sql(alone(segment, DUCKDB)).fetchall()[0][0] for segment in mix]

    assert list(connection.sql(together(mix, DUCKDB)).fetchall()[0]) == one_by_one
    assert _counted(dataset, mix) == one_by_one
    assert sum(1 for count in one_by_one if count) > 150


def _counted(dataset: Dataset, mix: list[Any]) -> list[int]:
    document = read_catalog(json.dumps(catalog(dataset.folder)), "catalog.json")
    resolved = resolve_catalog(document, base=dataset.folder).catalog
    customers = pq.read_table(dataset.folder / "customers").sort_by("customer_id")
    keys = customers["customer_id"].combine_chunks()
    planned = [
        PlannedSegment(segment_id=n, document=parse_segment(s.document()), previous=None)
        for n, s in enumerate(mix)
    ]
    plan = compile_plan(planned, resolved, AS_OF)
    partition = ArrowPartition(
        customers=customers,
        tables={table: _rows(dataset, table, keys) for table in TABLES},
        live=np.ones(customers.num_rows, dtype=np.bool_),
        earlier={},
    )
    tallies = tallies_of(plan, evaluate(plan, partition).counts)
    return [tallies[number].count for number in range(len(mix))]


def _rows(dataset: Dataset, table: str, keys: Any) -> Any:
    rows = pq.read_table(dataset.folder / table).sort_by([("occurred_at", "descending")])
    columns = {"_ordinal": pc.index_in(rows["customer_id"], value_set=keys).cast(pa.int32())}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        columns[name] = column.dictionary_encode() if pa.types.is_string(column.type) else column
    return pa.table(columns)
