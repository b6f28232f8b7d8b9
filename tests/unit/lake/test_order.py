"""Merging files into a table's total order, against sorting all rows in plain Python."""

from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from math import isnan

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.kernel.source import ArrowPartition
from muster_core.lake.order import Order, merge

TEXTS = ["", "a", "b", "é", "z", "\U0001f600", None]  # beyond the basic plane sorts after "é"

ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(TEXTS),
        st.sampled_from([float("nan"), -1.5, 0.0, 2.0, None]),
        st.integers(0, 2),
    ),
    max_size=40,
)


def missing(value):
    return value in (None, "") or (isinstance(value, float) and isnan(value))


def compared(left, right):
    """Order by time, text, number, file, row; what is missing is lowest."""
    for one, two in zip(left, right, strict=True):
        one_missing, two_missing = missing(one), missing(two)
        if one_missing or two_missing:
            if one_missing != two_missing:
                return -1 if one_missing else 1
        elif one != two:
            return -1 if one < two else 1
    return 0


def newest_first(rows):
    return sorted(rows, key=cmp_to_key(compared), reverse=True)


def as_table(rows):
    columns = [[row[n] for row in rows] for n in range(5)]
    return pa.table(
        {
            "at": pa.array(columns[0], pa.int64()),
            "text": pa.array(columns[1], pa.string()).dictionary_encode(),
            "number": pa.array(columns[2], pa.float64()),
            "_source_file": pa.array(columns[3], pa.int32()),
            "_source_row": pa.array(columns[4], pa.int64()),
            "_ordinal": pa.array([0] * len(columns[0]), pa.int32()),
        }
    )


@given(ROWS, st.randoms(), st.integers(1, 5), st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_any_split_into_files_merges_into_the_order_of_one(rows, random, files, chunk_rows):
    rows = [(*row, number) for number, row in enumerate(rows)]
    split: list[list[tuple[object, ...]]] = [[] for _ in range(files)]
    for row in rows:
        random.choice(split).append(row)
    order = Order(time="at", row_key=("text", "number"))
    partition = ArrowPartition(
        customers=pa.table({"id": ["a"]}), tables={"t": [as_table(newest_first(s)) for s in split]},
        live=np.array([True]), earlier={}, chunk_rows=chunk_rows, order={"t": order},
    )  # fmt: skip
    batches = list(partition.rows("t", ["_source_row", "text"]))
    expected = newest_first(rows)
    got = [n for batch in batches for n in batch.column("_source_row").to_pylist()]
    assert got == [row[4] for row in expected]
    texts = [t for batch in batches for t in batch.column("text").to_pylist()]
    assert texts == [row[1] for row in expected]
    assert all(batch.num_rows <= chunk_rows for batch in batches)
    assert partition.order_columns("t") == ["text", "number", "_source_file", "_source_row"]


class Stream:
    """A file of 100,000 rows that knows how many of its batches are out and not yet merged."""

    held = 0

    def __init__(self, start, step):
        self.start, self.step = start, step
        self.read = 0

    def __iter__(self):
        for at in range(0, 100_000, 5_000):
            self.read += 5_000
            numbers = [self.start - self.step * (at + i) for i in range(5_000)]
            yield as_table([(n, "a", 0.0, 0, n) for n in numbers]).to_batches()[0]


def test_merging_reads_no_further_than_it_must_and_hands_out_whole_chunks():
    fast, slow = Stream(1_000_000, 1), Stream(1_000_000, 10)
    merged = merge([iter(fast), iter(slow)], Order(time="at"), ["at"], chunk_rows=20_000)
    first = next(merged)
    assert first.num_rows == 20_000
    # the sparse file reaches far back with few rows: it must not be read ahead
    assert (fast.read, slow.read) <= (25_000, 5_000)
    sizes = [batch.num_rows for batch in merged]
    assert sum(sizes) == 180_000
    assert min(sizes[:-1]) > 1_000
    assert max(sizes) == 20_000


def test_files_without_time_merge_by_row_key_file_and_row():
    rows = [[(0, "b", 1.0, 1, 5), (0, "a", 1.0, 1, 7)], [(0, "b", 1.0, 2, 0), (0, None, 1.0, 2, 9)]]
    streams = [iter(as_table(r).to_batches()) for r in rows]
    (batch,) = merge(streams, Order(row_key=("text",)), ["_source_file", "_source_row"])
    assert [tuple(r.values()) for r in batch.to_pylist()] == [(2, 0), (1, 5), (1, 7), (2, 9)]


def test_times_of_days_and_instants_and_texts_of_several_dictionaries_merge():
    start = datetime(2026, 3, 1, tzinfo=UTC)

    def table(days, file):
        return pa.table(
            {
                "at": pa.array(
                    [start + timedelta(days=d) for d in days], pa.timestamp("us", "UTC")
                ),
                "word": pa.array([f"w{d}" for d in days]).dictionary_encode(),
                "_source_file": pa.array([file] * len(days), pa.int32()),
                "_source_row": pa.array(range(len(days), 0, -1), pa.int64()),
            }
        )

    streams = [iter(table(days, n).to_batches()) for n, days in enumerate([[9, 5, 1], [8, 5], [7]])]
    (batch,) = merge(streams, Order(time="at"), ["word"])
    assert batch.column("word").to_pylist() == ["w9", "w8", "w7", "w5", "w5", "w1"]
    assert pa.types.is_dictionary(batch.column("word").type)


def test_several_tables_without_an_order_are_refused():
    table = as_table([(1, "a", 1.0, 0, 0)])
    partition = ArrowPartition(
        customers=pa.table({"id": ["a"]}),
        tables={"t": [table, table]},
        live=np.array([True]),
        earlier={},
    )
    with pytest.raises(KeyError):
        list(partition.rows("t", []))


def test_the_places_of_rows_stand_in_for_source_columns_a_table_does_not_have():
    rows = pa.table({"_ordinal": pa.array([0, 0, 0], pa.int32()), "n": [3, 2, 1]})
    partition = ArrowPartition(
        customers=pa.table({"id": ["a"]}), tables={"t": rows}, live=np.array([True]), earlier={}
    )
    (batch,) = partition.rows("t", ["n", "_source_file", "_source_row"])
    assert batch.column("_source_row").to_pylist() == [2, 1, 0]
    assert batch.column("_source_file").to_pylist() == [0, 0, 0]
