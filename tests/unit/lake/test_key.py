from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from muster_core.catalog.type import parse_type
from muster_core.lake.key import (
    KeyCount,
    has_key_text,
    hash_texts,
    key_text,
    partition_hashes,
)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array(["C1", "", None]), ["C1", None, None]),
        (pa.array([7, -3, None], pa.int64()), ["7", "-3", None]),
        (pa.array([date(2026, 1, 2)]), ["2026-01-02"]),
        (pa.array([Decimal("0.000001")], pa.decimal128(20, 6)), ["0.000001"]),
        (pa.array([Decimal(12345678901234567890)], pa.decimal128(38, 0)), ["12345678901234567890"]),
    ],
)
def test_a_key_has_one_text(array, texts):
    assert key_text(array).to_pylist() == texts


def test_only_types_with_one_text_are_keys():
    for text in ("text", "integer", "date", "decimal(20,6)"):
        assert has_key_text(parse_type(text))
    for text in ("boolean", "float", "timestamp", "array<text>", "decimal(20,7)"):
        assert not has_key_text(parse_type(text))


@given(st.lists(st.one_of(st.none(), st.text(max_size=6))), st.integers(0, 5))
def test_equal_texts_have_equal_hashes_wherever_they_stand(values, start):
    array = pa.array(values, pa.string())[start:]
    by_text: dict[str, int] = {}
    for text, number in zip(array.drop_null().to_pylist(), hash_texts(array), strict=True):
        assert by_text.setdefault(text, number) == number
    assert len(set(by_text.values())) == len(by_text)


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), max_size=30))
def test_duplicates_are_counted_exactly(values):
    chunks = [pa.array(values[:10], pa.string()), pa.array(values[10:], pa.string())]
    count = KeyCount()
    for chunk in chunks:
        count.add(chunk)
    known = [v for v in values if v is not None]
    assert count.duplicates(lambda: chunks) == len(known) - len(set(known))
    assert (count.rows, count.nulls) == (len(values), len(values) - len(known))
    assert count.matching(pa.array(["a", "z", None], pa.string())) == ("a" in known)


def test_the_partition_of_a_customer_is_decided_as_the_engine_decides_it():
    texts = pa.chunked_array([pa.array(["C1", None]), pa.array(["", "C1"])])
    # the two of docs/customer-store.md, and what xxhash says of no bytes
    assert partition_hashes(texts).tolist() == [
        15225747416292411050,
        0,
        xxhash.xxh64_intdigest(b"", seed=42),
        15225747416292411050,
    ]
    assert partition_hashes(pa.array([], pa.string())).tolist() == []
