"""Counting different values: every type, any chunks, and more pairs than are kept waiting."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.catalog.type import parse_type
from muster_core.kernel import distinct
from muster_core.kernel.column import Column
from muster_core.kernel.distinct import DistinctCount

VALUES: dict[str, tuple[Any, Any]] = {
    "text": (pa.string(), st.sampled_from(["", "a", "b", "ä", "\U0001f600"])),
    "integer": (pa.int64(), st.sampled_from([-(2**63), 2**63 - 1, 0, 1, 2])),
    "float": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, float("inf"), float("nan")])),
    "boolean": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates()),
    "decimal(10,2)": (pa.decimal128(10, 2), st.sampled_from([Decimal("0.01"), Decimal("-1.00")])),
    "decimal(38,0)": (
        pa.decimal128(38, 0),
        st.sampled_from([Decimal(10**37), Decimal(2**63), Decimal(0)]),
    ),
}


@settings(deadline=None, max_examples=120)
@given(
    data=st.data(),
    kind=st.sampled_from(sorted(VALUES)),
    most=st.integers(1, 6),
    coded=st.booleans(),
)
def test_different_set_values_are_counted_once(
    data: st.DataObject, kind: str, most: int, coded: bool
) -> None:
    arrow, values = VALUES[kind]
    chunks = data.draw(
        st.lists(
            st.lists(st.tuples(st.integers(0, 2), st.none() | values), min_size=1, max_size=6),
            max_size=4,
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_WAITING_PAIRS", most)
        patch.setattr(distinct, "_FLAGS", 16)
        count = DistinctCount(3)
        for chunk in chunks:
            array: Any = pa.array([value for _, value in chunk], arrow)
            if coded and kind == "text":
                array = array.dictionary_encode()
            owners = np.array([owner for owner, _ in chunk])
            count.update(owners, Column(array, parse_type(kind)), slice(0, len(chunk)))
        found = count.counts.tolist()
    pairs = [pair for chunk in chunks for pair in chunk]
    expected = [
        {v for o, v in pairs if o == owner and str(v) not in ("", "None", "nan")}
        for owner in range(3)
    ]
    assert found == [len(known) for known in expected]
