"""Hashes of rows depend on values alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_worker.extract.hash import hash_rows

COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "text": (pa.string(), ["", "a", "a\0", "abcdefgh", "abcdefghi", "é" * 200, "x" * 257, None]),
    "integer": (pa.int64(), [0, 1, -1, 2**63 - 1, -(2**63), None]),
    "small": (pa.int16(), [0, 1, -1, None]),
    "decimal": (pa.decimal128(38, 2), [Decimal("0.00"), Decimal("1.00"), Decimal("-1.00"), Decimal(2**64), None]),
    "float": (pa.float64(), [0.0, -0.0, 1.5, float("inf"), None]),
    "boolean": (pa.bool_(), [True, False, None]),
    "date": (pa.date32(), [date(1970, 1, 1), date(1970, 1, 2), None]),
    "time": (pa.timestamp("us", "UTC"), [datetime(1970, 1, 1, tzinfo=UTC), None]),
    "list": (pa.list_(pa.string()), [[], [""], ["", ""], ["a", "b"], ["b", "a"], ["ab"], [None], None]),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_different_values_have_different_hashes(name: str) -> None:
    kind, values = COLUMNS[name]
    found = hash_rows([pa.array(values, kind)], 1)
    assert len(set(found.tolist())) == len(values)
    assert not set(found.tolist()) & set(hash_rows([pa.array(values, kind)], 2).tolist())


@pytest.mark.parametrize("name", COLUMNS)
@settings(max_examples=25, deadline=None)
@given(order=st.lists(st.integers(0, 5), min_size=1, max_size=20), cut=st.integers(0, 20))
def test_a_hash_does_not_depend_on_where_the_value_stands(
    name: str, order: list[int], cut: int
) -> None:
    kind, values = COLUMNS[name]
    chosen = [values[i % len(values)] for i in order]
    whole = hash_rows([pa.array(chosen, kind)], 1)
    sliced = pa.array([*values, *chosen], kind)[len(values) :]
    parts = [sliced[:cut], sliced[cut:]]
    assert np.array_equal(whole, np.concatenate([hash_rows([p], 1) for p in parts]))
    alone = [hash_rows([pa.array([value], kind)], 1)[0] for value in chosen]
    assert whole.tolist() == alone


def test_columns_are_told_apart() -> None:
    left, right = pa.array(["a", "b", None]), pa.array(["b", "a", None])
    assert hash_rows([left, right], 1)[0] != hash_rows([right, left], 1)[0]
    assert len(set(hash_rows([left, right], 1).tolist())) == 3


def test_many_keys_do_not_collide() -> None:
    texts = pa.array([f"customer-{i:07d}" for i in range(300_000)])
    found = hash_rows([texts], 1)
    assert len(np.unique(found)) == len(texts)
    # the upper bits alone decide the slice in which rows are compared
    share = np.bincount((found >> np.uint64(60)).astype(np.int64), minlength=16) / len(texts)
    assert np.all(np.abs(share - 1 / 16) < 0.005)
