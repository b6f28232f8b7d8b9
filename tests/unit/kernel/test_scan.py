"""Folds over rows agree with a plain reading, whatever the chunks and files the rows lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.kernel.node import (
    AnyFold,
    Fold,
    HeldFold,
    LastRowFold,
    PeriodsFold,
    RowTest,
    SequenceFold,
    TablePlan,
)
from muster_core.kernel.scan import scan_table
from muster_core.kernel.source import ArrowPartition
from muster_core.lake.order import Order
from muster_core.rules.predicate import IsSet, TextIn, WholeRanges

SIZE = 3
#: Customer, time, row key, text, number; microseconds, so that steps of one are small.
Row = tuple[int, int, str | None, str | None, int | None]
ROWS = st.lists(
    st.tuples(
        st.integers(0, SIZE - 1),
        st.integers(0, 9),
        st.sampled_from([None, "", "a", "b", "\U0001f600"]),
        st.sampled_from([None, "", "x", "y"]),
        st.none() | st.integers(-2, 2),
    ),
    max_size=14,
)
LAYOUTS = st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 1000]), st.booleans())
X = RowTest(column="text", kind="text", predicate=TextIn(texts=("x",)))
Y = RowTest(column="text", kind="text", predicate=TextIn(texts=("y",)))


def _key(place: int, row: Row) -> tuple[Any, ...]:
    return row[1], row[2] or "", place


def _ordered(rows: Sequence[Row], owner: int) -> list[Row]:
    """Return a customer's rows, oldest first."""
    kept = [(place, row) for place, row in enumerate(rows) if row[0] == owner]
    return [row for _, row in sorted(kept, key=lambda pair: _key(*pair))]


def _partition(rows: Sequence[Row], layout: tuple[int, int, bool]) -> ArrowPartition:
    files, chunk_rows, encoded = layout
    tables = []
    for number in range(files):
        part = [
            (place, row)
            for place, row in enumerate(rows)
            if place * files // max(len(rows), 1) == number
        ]
        part.sort(key=lambda pair: _key(*pair), reverse=True)
        text = pa.array([row[3] for _, row in part], pa.string())
        tables.append(
            pa.table(
                {
                    "_ordinal": pa.array([row[0] for _, row in part], pa.int32()),
                    "at": pa.array([row[1] for _, row in part], pa.timestamp("us", "UTC")),
                    "key": pa.array([row[2] for _, row in part], pa.string()),
                    "text": text.dictionary_encode() if encoded else text,
                    "number": pa.array([row[4] for _, row in part], pa.int64()),
                    "_source_file": pa.array([number] * len(part), pa.int32()),
                    "_source_row": pa.array([place for place, _ in part], pa.int64()),
                }
            )
        )
    return ArrowPartition(
        customers=pa.table({"id": list(range(SIZE))}),
        tables={"rows": tables},
        live=np.ones(SIZE, dtype=np.bool_),
        earlier={},
        chunk_rows=chunk_rows,
        order={"rows": Order(time="at", row_key=("key",))},
    )


def _found(
    rows: Sequence[Row], layout: tuple[int, int, bool], fold: AnyFold, predicate: Any = None
) -> list[bool]:
    plan = TablePlan(time="at", time_kind="timestamp", row_key=("key",), rows=(X, Y), folds=(fold,))
    result = scan_table("rows", plan, _partition(rows, layout))[0]
    return [bool(bit) for bit in result.passing(predicate or IsSet())]


def _each(rows: Sequence[Row], decide: Callable[[list[Row]], bool]) -> list[bool]:
    return [decide(_ordered(rows, owner)) for owner in range(SIZE)]


@settings(deadline=None, max_examples=60)
@given(
    rows=ROWS, layout=LAYOUTS, high=st.integers(3, 9), function=st.sampled_from(["first", "last"])
)
def test_the_first_and_last_row_have_the_value(
    rows: list[Row], layout: tuple[int, int, bool], high: int, function: str
) -> None:
    def value(own: list[Row]) -> str | None:
        seen = [row for row in own if row[1] <= high]
        return seen[0 if function == "first" else -1][3] if seen else None

    fold = Fold.model_validate(
        {"where": None, "low": None, "high": high, "function": function}
        | {"column": "text", "kind": "text"}
    )
    assert _found(rows, layout, fold) == _each(rows, lambda own: bool(value(own)))
    x = TextIn(texts=("x",))
    assert _found(rows, layout, fold, x) == _each(rows, lambda own: value(own) == "x")
    other = x.model_copy(update={"negate": True})  # without a value nothing matches
    expected = _each(rows, lambda own: (value(own) or "x") != "x")
    assert _found(rows, layout, fold, other) == expected


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, layout=LAYOUTS, function=st.sampled_from(["first", "last"]))
def test_a_column_may_order_the_rows_and_equal_values_go_by_row_key_and_source(
    rows: list[Row], layout: tuple[int, int, bool], function: str
) -> None:
    fold = Fold.model_validate(
        {"where": None, "low": 2, "high": None, "function": function}
        | {"column": "text", "kind": "text", "order_by": "number", "order_kind": "integer"}
    )

    def passes(owner: int) -> bool:
        kept = [
            (row[4], row[2] or "", place, row[3])
            for place, row in enumerate(rows)
            if row[0] == owner and row[1] >= 2 and row[4] is not None
        ]
        kept.sort(key=lambda pair: pair[:3])
        return bool(kept) and kept[0 if function == "first" else -1][3] == "x"

    found = _found(rows, layout, fold, TextIn(texts=("x",)))
    assert found == [passes(owner) for owner in range(SIZE)]


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, layout=LAYOUTS, high=st.integers(3, 9))
def test_the_latest_row_that_passes_one_test_passes_another(
    rows: list[Row], layout: tuple[int, int, bool], high: int
) -> None:
    def passes(own: list[Row]) -> bool:
        seen = [row for row in own if row[1] <= high and row[3] in ("x", "y")]
        return bool(seen) and seen[-1][3] == "y"

    either = RowTest(column="text", kind="text", predicate=TextIn(texts=("x", "y")))
    plan = TablePlan(
        time="at",
        time_kind="timestamp",
        rows=(either, Y),
        folds=(LastRowFold(where=0, high=high, having=1),),
    )
    result = scan_table("rows", plan, _partition(rows, layout))[0]
    assert [bool(bit) for bit in result.passing(IsSet())] == _each(rows, passes)


@settings(deadline=None, max_examples=120)
@given(
    rows=ROWS,
    layout=LAYOUTS,
    steps=st.lists(st.sampled_from([0, 1, None]), min_size=2, max_size=4),
    low=st.none() | st.integers(0, 5),
    high=st.integers(3, 9),
    visible=st.integers(5, 9),
)
def test_rows_follow_each_other_strictly_later(
    rows: list[Row],
    layout: tuple[int, int, bool],
    steps: list[int | None],
    low: int | None,
    high: int,
    visible: int,
) -> None:
    wanted = ["x", "y"]

    def chained(own: list[Row], step: int, after: int) -> bool:
        return step == len(steps) or any(
            after < row[1] <= visible
            and _matches(row, steps[step])
            and chained(own, step + 1, row[1])
            for row in own
        )

    def _matches(row: Row, step: int | None) -> bool:
        return step is None or row[3] == wanted[step]

    def passes(own: list[Row]) -> bool:
        return any(
            (low is None or row[1] >= low)
            and row[1] <= min(high, visible)
            and _matches(row, steps[0])
            and chained(own, 1, row[1])
            for row in own
        )

    fold = SequenceFold(
        steps=tuple(steps), low=low, high=high, visible=visible, seconds=1, months=0, zone="UTC"
    )
    assert _found(rows, layout, fold) == _each(rows, passes)


@settings(deadline=None, max_examples=80)
@given(
    rows=ROWS,
    layout=LAYOUTS,
    step=st.integers(1, 4),
    periods=st.integers(1, 5),
    at_least=st.integers(1, 3),
    count=st.integers(0, 3),
    negate=st.booleans(),
)
def test_enough_periods_have_a_count_that_passes(
    rows: list[Row],
    layout: tuple[int, int, bool],
    step: int,
    periods: int,
    at_least: int,
    count: int,
    negate: bool,
) -> None:
    edges = tuple(8 - step * j for j in range(periods + 1))

    def passes(own: list[Row]) -> bool:
        counts = [
            sum(edges[j + 1] < row[1] <= edges[j] and row[3] == "x" for row in own)
            for j in range(periods)
        ]
        return sum((number >= count) != negate for number in counts) >= at_least

    fold = PeriodsFold(
        where=0,
        edges=edges,
        at_least=at_least,
        predicate=WholeRanges(ranges=((count, None),), negate=negate),
    )
    assert _found(rows, layout, fold) == _each(rows, passes)


@settings(deadline=None, max_examples=80)
@given(
    rows=ROWS, layout=LAYOUTS, visible=st.integers(3, 9), low=st.integers(0, 6), back=st.booleans()
)
def test_a_value_is_held_since_the_latest_unbroken_stretch(
    rows: list[Row], layout: tuple[int, int, bool], visible: int, low: int, back: bool
) -> None:
    def passes(own: list[Row]) -> bool:
        history = [row for row in own if row[2] == "a" and row[1] <= visible]
        if not history or history[-1][3] != "x":
            return False
        since = len(history) - 1
        while since and history[since - 1][3] == "x":
            since -= 1
        return (history[since][1] <= low) == back

    fold = HeldFold(
        field="key",
        field_kind="text",
        name="a",
        value="text",
        value_kind="text",
        predicate=TextIn(texts=("x",)),
        visible=visible,
    )
    bounds = (None, low) if back else (low + 1, None)
    assert _found(rows, layout, fold, WholeRanges(ranges=(bounds,))) == _each(rows, passes)
