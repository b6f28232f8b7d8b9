from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster_core.catalog.quantile import (
    MOST_BUCKETS,
    Sketch,
    Spread,
    Whole,
    double_of,
    merged,
    ordered,
    percentile,
    without,
)


def sketch(numbers: Any) -> Sketch:
    spread = Spread()
    spread.add(np.asarray(numbers))
    found = spread.result()
    assert found is not None
    return found


def true_percentile(numbers: Any, percent: int) -> Any:
    found = np.sort(np.asarray(numbers))
    return found[max(0, -(-len(found) * percent // 100) - 1)]


WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-3000, 3000)


@given(
    st.lists(WHOLE, min_size=1, max_size=4000), st.integers(1, 9), st.randoms(use_true_random=False)
)
def test_however_numbers_are_divided_the_sketch_is_the_same(numbers, parts, chance) -> None:
    whole = np.array(numbers, dtype=np.int64)
    divided = [[n for i, n in enumerate(whole) if i % parts == part] for part in range(parts)]
    chance.shuffle(divided)
    pieces = [sketch(np.array(piece, dtype=np.int64)) for piece in divided if piece]
    assert merged(pieces) == sketch(whole)


@pytest.mark.parametrize("parts", [1, 4, 16, 64])
@pytest.mark.parametrize("kind", ["even", "skewed", "outlier", "doubles", "instants", "few"])
def test_a_percentile_lies_where_it_is_said_to(kind: str, parts: int) -> None:
    random_ = np.random.default_rng(5)
    numbers: np.ndarray = {
        "even": random_.integers(-50_000, 100_000, 60_000),
        "skewed": (random_.pareto(1.1, 60_000) * 100).astype(np.int64),
        "outlier": np.concatenate([random_.integers(0, 5_000, 60_000), [2**63 - 1, -(2**63)]]),
        "doubles": random_.normal(0, 1e6, 60_000),
        "instants": random_.integers(10**15, 10**15 + 86_400_000_000, 60_000),
        "few": random_.integers(0, 900, 60_000),
    }[kind]
    spread = Spread()
    for piece in np.array_split(numbers, parts):
        spread.add(piece)
    found = spread.result()
    assert found is not None
    assert found == sketch(numbers)
    assert len(found.counts) <= MOST_BUCKETS
    assert sum(found.counts) == len(numbers)
    for percent in (0, 1, 5, 25, 50, 75, 95, 99, 100):
        low, high = percentile(found, percent)
        true = true_percentile(numbers, percent)
        if numbers.dtype == np.float64:
            assert double_of(low) <= true <= double_of(high)
            # half of the rows lie within a spread of 1.35 deviations
            assert double_of(high) - double_of(low) < 2e5 or percent in (0, 100)
        else:
            assert low <= true <= high
            if kind == "few":
                assert low == high
            if kind in ("even", "instants"):
                assert high - low < 2 * (numbers.max() - numbers.min()) / MOST_BUCKETS
            if kind == "outlier" and percent not in (0, 100):
                assert high - low < 8


def test_doubles_keep_their_order_and_come_back() -> None:
    values = [-np.inf, -1e300, -1.5, -5e-324, -0.0, 0.0, 5e-324, 1.5, 1e300, np.inf]
    whole = ordered(np.array(values))
    assert (np.diff(whole) >= 0).all()
    assert [double_of(int(n)) for n in whole] == values
    assert double_of(2**63 - 1) == np.inf
    assert double_of(-(2**63)) == -np.inf


def test_nothing_has_no_sketch() -> None:
    assert Spread().result() is None
    assert merged([]) is None


@given(st.lists(st.integers(-5_000, 5_000)), st.data())
def test_numbers_that_go_are_taken_from_the_buckets_they_were_counted_in(
    numbers: list[int], data: st.DataObject
) -> None:
    taken = data.draw(st.integers(0, len(numbers)))
    parts = [np.array(part, dtype=np.int64) for part in (numbers, numbers[:taken], numbers[taken:])]
    whole, gone, left = (sketched(part) for part in parts)
    if whole is None:
        return
    found = without(whole, gone)
    # few numbers are told apart exactly, so that counting what is left gives the same
    assert found == left


def test_a_sketch_without_some_of_its_numbers_stays_as_coarse_as_it_was() -> None:
    many = np.arange(5_000, dtype=np.int64)
    whole, gone = sketched(many), sketched(many[7:])
    assert whole is not None
    assert without(whole, None) == whole
    found = without(whole, gone)
    assert found is not None
    assert (found.shift, sum(found.counts), percentile(found, 100)) == (whole.shift, 7, (0, 7))


def sketched(numbers: Whole) -> Sketch | None:
    spread = Spread()
    spread.add(numbers)
    return spread.result()
