"""A sample tells a number of customers with an interval that holds it as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster_core.kernel.estimate import Estimate, estimate, exactly

SAMPLES = st.integers(0, 3_000).flatmap(
    lambda total: st.integers(0, total).flatmap(
        lambda sampled: st.tuples(st.integers(0, sampled), st.just(sampled), st.just(total))
    )
)


@given(SAMPLES)
def test_an_estimate_never_contradicts_what_was_seen(sample: tuple[int, int, int]) -> None:
    hits, sampled, total = sample
    found = estimate(hits, sampled, total)
    assert hits <= found.low <= found.count <= found.high <= total - (sampled - hits)
    if sampled == total:
        assert found == exactly(hits)


def test_of_nobody_looked_at_nothing_is_known() -> None:
    assert estimate(0, 0, 10) == Estimate(count=0, low=0, high=10)
    with pytest.raises(ValueError, match="no sample"):
        estimate(3, 2, 10)


@pytest.mark.parametrize(("total", "sampled"), [(200, 50), (2_000, 1_000), (10_000, 400)])
def test_the_interval_holds_the_number_in_95_of_100_samples_whatever_it_is(
    total: int, sampled: int
) -> None:
    held = {hits: estimate(hits, sampled, total) for hits in range(sampled + 1)}
    for number in sorted({0, 1, 2, 5, total // 50, total // 7, total // 2, total - 3, total}):
        found = sum(
            chance
            for hits, chance in enumerate(_chances(number, sampled, total))
            if held[hits].low <= number <= held[hits].high
        )
        assert found >= 0.95, (number, found)


def test_the_interval_of_a_large_sample_is_narrow() -> None:
    found = estimate(12_500, 250_000, 1_000_000)
    assert found.count == 50_000
    assert found.high - found.low < 1_600


def _chances(number: int, sampled: int, total: int) -> np.ndarray:
    """Return the chance of every number of hits, by the hypergeometric distribution."""

    def choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = choose(total, sampled)
    return np.array(
        [
            math.exp(choose(number, k) + choose(total - number, sampled - k) - whole)
            if 0 <= k <= number and sampled - k <= total - number
            else 0.0
            for k in range(sampled + 1)
        ]
    )
