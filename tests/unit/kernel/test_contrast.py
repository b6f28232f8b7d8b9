"""How a column's values among members differ from everybody's."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from muster_core.catalog.type import parse_type
from muster_core.kernel.contrast import Contrast, Contrasted

CHANCE = np.random.default_rng(5)
SIZE = 4_000


def contrast(kind: str, values: pa.Array, members: np.ndarray, parts: int = 3) -> Contrasted:
    """Return the contrast of a column given in parts; every tenth customer is not alive."""
    alive = np.arange(len(values)) % 10 != 9
    found = Contrast("c", parse_type(kind))
    for part in np.array_split(np.arange(len(values)), parts):
        rows = pa.array(part)
        found.add(pa.chunked_array([values.take(rows)]), alive[part], (members & alive)[part])
    return found.finish()


def test_texts_are_counted_by_their_most_frequent_values() -> None:
    letters = np.array(list("aaaabbc"))[CHANCE.integers(0, 7, SIZE)]
    values = pa.array([None if i % 8 == 0 else str(x) for i, x in enumerate(letters)])
    members = letters == "b"
    found = contrast("text", values, members)
    shares = {b.value: (b.members, b.everybody) for b in found.bins}
    assert shares["b"][0] + shares["no value"][0] == pytest.approx(100, abs=0.02)
    assert shares["a"][0] == 0
    assert sum(share for share, _ in shares.values()) == pytest.approx(100, abs=0.05)
    assert sum(share for _, share in shares.values()) == pytest.approx(100, abs=0.05)
    assert found.significant
    # who is not b would need another value: about five of seven
    assert found.distance == pytest.approx(5 / 7 * 7 / 8, abs=0.05)


def test_many_texts_share_one_bin() -> None:
    values = pa.array([f"v{n % 500}" for n in range(SIZE)])
    found = contrast("text", values, CHANCE.random(SIZE) < 0.3)
    assert len(found.bins) == 11
    assert found.bins[-1].value == "all others"
    assert not found.significant


@pytest.mark.parametrize("kind", ["integer", "float", "decimal(9,2)", "decimal(38,0)", "date"])
def test_numbers_and_times_are_counted_in_tenths_of_everybody(kind: str) -> None:
    numbers = CHANCE.integers(0, 1_000, SIZE)
    plain = {
        "integer": pa.array(numbers),
        "float": pa.array(numbers / 7),
        "decimal(9,2)": pa.array([Decimal(int(n)) / 100 for n in numbers], pa.decimal128(9, 2)),
        "decimal(38,0)": pa.array(
            [Decimal(int(n)) * 10**30 for n in numbers], pa.decimal128(38, 0)
        ),
        "date": pa.array(numbers.astype(np.int32), pa.int32()).cast(pa.date32()),
    }[kind]
    found = contrast(kind, plain, numbers >= 500)
    assert len(found.bins) == 10
    for one in found.bins:
        assert one.everybody == pytest.approx(10, abs=1.5)
    assert [round(b.members) for b in found.bins[:4]] == [0, 0, 0, 0]
    assert found.distance == pytest.approx(0.5, abs=0.05)
    assert found.significant
    assert not contrast(kind, plain, CHANCE.random(SIZE) < 0.2).significant
    if kind == "date":
        assert isinstance(found.bins[0].low, date)
        assert found.bins[0].low == date(1970, 1, 1)


def test_booleans_and_nobody() -> None:
    values = pa.array([True, False, None, True] * 100)
    found = contrast("boolean", values, np.zeros(400, dtype=np.bool_))
    assert (found.distance, found.significant) == (0.0, False)
    assert {b.value for b in found.bins} == {"true", "false", "no value"}
    everybody = contrast("boolean", values, np.ones(400, dtype=np.bool_))
    assert (everybody.distance, everybody.significant) == (0.0, False)
