"""Comparing two aggregates of a customer: exact whatever their types, without a value never."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.kernel.node import SampleNode
from muster_core.kernel.number import Numbers, related_numbers
from muster_core.kernel.sample import sampled, splitmix64

ORDERS: dict[str, Any] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
SIDE = st.tuples(
    st.integers(-(10**40), 10**40) | st.integers(-(2**62), 2**62) | st.integers(-3, 3),
    st.integers(0, 6),
    st.none() | st.integers(1, 2**31 - 1) | st.integers(1, 3),
)


def _numbers(value: int, scale: int, count: int | None) -> Numbers:
    kind: Any = np.int64 if -(2**63) <= value < 2**63 else object
    counts = None if count is None else np.array([count], dtype=np.int32)
    values = np.array([value], dtype=kind)
    return Numbers(values=values, exists=np.array([True]), scale=scale, counts=counts)


@settings(deadline=None, max_examples=150)
@given(
    left=SIDE,
    right=SIDE,
    times=st.tuples(st.integers(1, 10**12) | st.just(1), st.integers(0, 6)),
    relation=st.sampled_from(sorted(ORDERS)),
    same=st.booleans(),
)
def test_exact_numbers_compare_exactly(
    left: Any, right: Any, times: tuple[int, int], relation: str, same: bool
) -> None:
    if same:  # the hardest case: equal, or next to it
        right, times = (left[0] + right[0] % 2, *left[1:]), (1, 0)
    one, two = (Fraction(v, 10**scale * (count or 1)) for v, scale, count in (left, right))
    expected = ORDERS[relation](one, two * Fraction(times[0], 10 ** times[1]))
    found = related_numbers(_numbers(*left), relation, _numbers(*right), times)
    assert found.tolist() == [expected]


def test_against_a_double_an_exact_number_becomes_the_nearest_double() -> None:
    third = Numbers(values=np.array([0.3]), exists=np.array([True]))
    tenth = _numbers(1, 1, None)
    assert related_numbers(third, "eq", tenth, (3, 0)).tolist() == [True]
    assert related_numbers(tenth, "eq", third, (1, 0)).tolist() == [False]
    mean = _numbers(10**30 + 1, 30, 3)
    double = Numbers(values=np.array([1 / 3]), exists=np.array([True]))
    assert related_numbers(mean, "eq", double, (1, 0)).tolist() == [True]


@pytest.mark.parametrize("relation", sorted(ORDERS))
def test_without_a_value_nothing_matches(relation: str) -> None:
    none = Numbers(values=np.array([0]), exists=np.array([False]))
    one = _numbers(1, 0, None)
    assert not related_numbers(none, relation, one, (1, 0)).any()
    assert not related_numbers(one, relation, none, (1, 0)).any()


def test_the_hash_of_the_documentation_falls_into_its_bucket() -> None:
    key = 15_225_747_416_292_411_050  # of "C1"
    salt = 0x9E3779B97F4A7C15
    word = (key ^ salt) + 0x9E3779B97F4A7C15 & (2**64 - 1)
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    word = (word ^ word >> 27) * 0x94D049BB133111EB & (2**64 - 1)
    bucket = (word ^ word >> 31) % 10_000
    hashes = np.array([key], dtype=np.uint64)
    assert splitmix64(hashes ^ np.uint64(salt)).tolist() == [word ^ word >> 31]
    for below, expected in ((bucket, False), (bucket + 1, True)):
        found = sampled(SampleNode(salt=salt, below=below), pa.array(hashes))
        assert found.tolist() == [expected]
