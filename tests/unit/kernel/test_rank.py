"""The last customer a rank takes is found exactly, over all partitions and by reading few rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.kernel import rank as ranking
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.node import (
    Fold,
    Operand,
    Rank,
    RankColumn,
    RulePlan,
    SegmentPlan,
    TablePlan,
    Threshold,
    TopNode,
)
from muster_core.kernel.number import Numbers, sortable_words
from muster_core.kernel.plan import Plan
from muster_core.kernel.rank import batch_of, find_thresholds, rank_candidates, thresholds_of
from muster_core.kernel.source import ArrowPartition

TYPES: dict[str, Any] = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "decimal(38,2)": pa.decimal128(38, 2),
    "date": pa.date32(),
}


def _plan(rank: Rank, tables: dict[str, TablePlan] | None = None) -> Plan:
    segment = SegmentPlan(
        segment_id=1,
        bit=0,
        rules=(RulePlan(combine=None, condition=0),),
        add=None,
        remove=None,
        nodes={},
        previous=None,
    )
    return Plan(
        as_of=datetime(2026, 3, 1, tzinfo=UTC),
        key="id",
        tables=tables or {},
        conditions=(TopNode(rank=0),),
        ranks=(rank,),
        segments=(segment,),
    )


def _partition(keys: list[Any], values: list[Any], kind: str, **more: Any) -> ArrowPartition:
    return ArrowPartition(
        customers=pa.table({"id": pa.array(keys), "value": pa.array(values, TYPES[kind])}),
        tables=more.get("tables", {}),
        live=np.array(more.get("live", [True] * len(keys)), dtype=np.bool_),
        earlier={},
    )


def _members(plan: Plan, partitions: list[ArrowPartition]) -> set[Any]:
    full = plan.with_thresholds(thresholds_of(plan, partitions))
    found: set[Any] = set()
    for partition in partitions:
        words = evaluate(Plan.from_json(full.to_json()), partition).words
        keys = partition.customers.column("id").to_pylist()
        found |= {keys[place] for place in np.flatnonzero(words[:, 0])} if keys else set()
    return found


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "float": st.floats(allow_nan=True) | st.sampled_from([0.0, -0.0, 1.0]),
    "decimal(38,2)": st.decimals(-(10**35), 10**35, places=2) | st.decimals(-1, 1, places=2),
    "date": st.dates(),
}


@settings(deadline=None, max_examples=80)
@given(data=st.data(), kind=st.sampled_from(sorted(TYPES)), texts=st.booleans())
def test_the_first_by_value_then_by_smaller_key_are_taken(
    data: st.DataObject, kind: str, texts: bool
) -> None:
    names = st.text(min_size=1, max_size=2) if texts else st.integers(-20, 20)
    keys = data.draw(st.lists(names, unique=True, max_size=12))
    values = [data.draw(st.none() | VALUES[kind]) for _ in keys]
    alive = [data.draw(st.booleans()) for _ in keys]
    descending = data.draw(st.booleans())
    limit = data.draw(st.none() | st.integers(1, 13))
    percent = None if limit else (data.draw(st.integers(1, 1000)), 1)
    partitions = [_partition(keys[n::3], values[n::3], kind, live=alive[n::3]) for n in range(3)]
    by = RankColumn(column="value", kind=kind)
    plan = _plan(Rank(by=by, descending=descending, limit=limit, percent=percent))

    ranked: list[tuple[Any, Any]] = [
        (key, value)
        for key, value, live in zip(keys, values, alive, strict=True)
        if live and value is not None and not (isinstance(value, float) and math.isnan(value))
    ]
    ranked.sort(key=lambda pair: pair[0])
    ranked.sort(key=lambda pair: pair[1], reverse=descending)
    share = len(ranked) * Fraction(percent[0], 1000) if percent else limit
    assert share is not None
    assert _members(plan, partitions) == {key for key, _ in ranked[: int(share)]}


def test_means_are_ranked_exactly_and_rows_without_a_value_leave_a_customer_out() -> None:
    # one part in 2**62 apart: doubles would not tell them from each other
    sums = [2**61, 2**61 - 1, 2**61 + 1, 5]
    numbers = Numbers(
        values=np.array(sums, dtype=np.int64),
        exists=np.ones(4, dtype=np.bool_),
        counts=np.array([2**31 - 1, 2**31 - 1, 2**31 - 1, 1], dtype=np.int32),
    )
    words = sortable_words(numbers, np.arange(4))
    order = np.lexsort(words[::-1])
    assert order.tolist() == [3, 1, 0, 2]
    fold = Fold(where=None, low=None, high=None, function="avg", column="n", kind="integer")
    table = TablePlan(time=None, time_kind=None, rows=(), folds=(fold,))
    rows = pa.table(
        {"_ordinal": pa.array([0, 0, 1, 1, 1, 3], pa.int32()), "n": [1, 2, 1, 2, 1, None]}
    )
    by = Operand(table="rows", fold=0)
    plan = _plan(Rank(by=by, descending=False, limit=3, percent=None), {"rows": table})
    partition = _partition(["a", "b", "c", "d"], [1] * 4, "integer", tables={"rows": rows})
    assert _members(plan, [partition]) == {"a", "b"}


def test_sums_over_no_rows_rank_as_zero_and_huge_sums_keep_their_order() -> None:
    fold = Fold(where=None, low=None, high=None, function="sum", column="n", kind="decimal(38,2)")
    table = TablePlan(time=None, time_kind=None, rows=(), folds=(fold,))
    great = Decimal("9" * 36)
    less = Decimal("9" * 35 + "8.99")
    amounts = [great, great, great, less, *[great.copy_negate()] * 2]
    rows = pa.table(
        {
            "_ordinal": pa.array([0, 0, 1, 1, 2, 2], pa.int32()),
            "n": pa.array(amounts, pa.decimal128(38, 2)),
        }
    )
    partition = _partition([1, 2, 3, 4], [1] * 4, "integer", tables={"rows": rows})
    by = Operand(table="rows", fold=0)
    for limit, expected in [(1, {1}), (2, {1, 2}), (3, {1, 2, 4}), (4, {1, 2, 3, 4})]:
        rank = Rank(by=by, descending=True, limit=limit, percent=None)
        assert _members(_plan(rank, {"rows": table}), [partition]) == expected


@pytest.mark.parametrize("percent", [(1, 0), (333, 1), (50, 0), (999, 1), (100, 0)])
@pytest.mark.parametrize("distinct", [3, 10_000])
def test_only_batches_that_may_hold_the_last_one_are_read(
    percent: tuple[int, int], distinct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "BATCH_ROWS", 16)
    random = np.random.default_rng(7)
    sizes = [900, 0, 401, 16]
    keys = iter(random.permutation(sum(sizes)).tolist())
    partitions = []
    pairs = []
    for size in sizes:
        owned = [next(keys) for _ in range(size)]
        values = random.integers(0, distinct, size).tolist()
        pairs += list(zip(values, owned, strict=True))
        partitions.append(_partition(owned, values, "integer"))
    by = RankColumn(column="value", kind="integer")
    plan = _plan(Rank(by=by, descending=False, limit=None, percent=percent)).rank_plan()
    found = [dict(rank_candidates(plan, partition)) for partition in partitions]
    files = [[part[0].to_bytes()] for part in found]
    reads = 0

    def read(part: int, place: int, number: int) -> pa.RecordBatch:
        nonlocal reads
        reads += 1
        return batch_of(files[part][place], number)

    summaries = [[part[0].summary()] for part in found]
    threshold = find_thresholds(plan, summaries, read)[0]
    last = sorted(pairs)[len(pairs) * percent[0] // (100 * 10 ** percent[1]) - 1]
    assert threshold.words is not None
    assert (threshold.words[2], threshold.key) == (last[0], str(last[1]))
    assert reads <= 8


def test_nobody_is_taken_where_nobody_has_a_value() -> None:
    by = RankColumn(column="value", kind="integer")
    plan = _plan(Rank(by=by, descending=True, limit=5, percent=None))
    partitions = [_partition(["a"], [None], "integer"), _partition([], [], "integer")]
    assert thresholds_of(plan, partitions) == (Threshold(words=None, key=None),)
    assert _members(plan, partitions) == set()
