from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.lake import lookup
from muster_core.lake.lookup import KeyIndex, index_of

KINDS = {
    "integer": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-50, 50)),
    "date": (pa.date32(), st.dates()),
    "decimal": (pa.decimal128(12, 2), st.integers(-999, 999).map(lambda n: Decimal(n).scaleb(-2))),
    "text": (pa.string(), st.text(max_size=3)),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_value_finds_its_row_or_nothing(kind, data):
    arrow, values = KINDS[kind]
    keys = data.draw(st.lists(values | st.none(), max_size=30, unique=True))
    asked = data.draw(st.lists(st.sampled_from([*keys, None]) | values | st.none(), max_size=30))
    places = {key: n for n, key in enumerate(keys) if key not in (None, "")}
    found = KeyIndex(pa.array(keys, arrow)).find(pa.array(asked, arrow))
    assert found.tolist() == [places.get(value, -1) for value in asked]
    assert found.dtype == np.int32


@pytest.mark.parametrize(
    "keys",
    [
        [n * 1_000_003 for n in range(5_000)],  # sparse: bisection
        list(range(-100, 9_900)),  # dense: a table of places
        [f"sku-{n:06d}-é" for n in range(6_000)],  # many texts: hashes
        [date(2020, 1, 1) + timedelta(days=n) for n in range(900)],
    ],
    ids=["sparse", "dense", "texts", "days"],
)
def test_large_dimensions_are_found_in_chunks_encoded_or_not(keys):
    column = pa.chunked_array([pa.array(keys[:700]), pa.array(keys[700:])])
    index = KeyIndex(column)
    rng = np.random.default_rng(5)
    places = rng.integers(0, len(keys), 3_000)
    asked = pa.array([keys[p] for p in places] + [None], column.type)
    expected = [*places.tolist(), -1]
    assert index.find(asked).tolist() == expected
    assert index.find(asked.slice(7)).tolist() == expected[7:]
    assert index.find(asked.dictionary_encode()).tolist() == expected
    assert index.find(pa.array([], column.type)).tolist() == []


def test_texts_that_share_a_hash_are_still_told_apart(monkeypatch):
    def poor(text):
        return np.array([len(t) for t in text.drop_null().to_pylist()], dtype=np.uint64)

    monkeypatch.setattr("muster_core.lake.lookup.hash_texts", poor)
    monkeypatch.setattr("muster_core.lake.lookup._FEW_TEXTS", 2)
    index = KeyIndex(pa.array(["a", None, "b", "cc", "ddd", "eee"]))
    asked = pa.array(["b", "cc", "x", "eee", None, "yy", "a"])
    assert index.find(asked).tolist() == [2, 3, -1, 5, -1, -1, 0]


def test_the_index_of_a_column_is_made_once_and_goes_with_it():
    column = pa.chunked_array([pa.array([3, 1, 2])])
    before = len(lookup._INDEXES)
    index = index_of(column)
    assert index_of(column) is index
    assert index.find(pa.array([2, 9])).tolist() == [2, -1]
    assert index_of(pa.chunked_array([pa.array([3, 1, 2])])) is not index
    del column
    assert len(lookup._INDEXES) == before
