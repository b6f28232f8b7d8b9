"""Rows that travel as parcels arrive at the partition and in the order that sorting them at once gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from muster_core.catalog.document import Table
from muster_core.lake.key import first_bytes, partition_hashes
from muster_core.lake.location import Lake
from muster_core.lake.seed import PARTITION_SEED
from muster_worker.prepare import few
from muster_worker.prepare.interchange import (
    FATE,
    FILE,
    KEY,
    ORDINARY,
    PARTITION,
    PARTNER,
    ROW,
    WITHOUT_CUSTOMER,
    order_columns,
)
from muster_worker.prepare.task import receiving, sending
from muster_worker.prepare.task.receiving import Runs, read_parcel
from muster_worker.prepare.task.sending import SendRows, order_codes

WIRE = {
    "text": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "timestamp": pa.int64(),
    "boolean": pa.bool_(),
    "decimal(9,2)": pa.decimal128(9, 2),
}
VALUES: dict[str, Sequence[Any]] = {
    "text": ["", "a", "b", "ab", "abcdefghi", "abcdefghj", "é", "漢字", None],
    "integer": [-(2**63), -1, 0, 1, 2**63 - 1, None],
    "float": [float("nan"), float("-inf"), -1.5, -0.0, 0.0, 5e-324, 2.5, float("inf"), None],
    "timestamp": [*range(-3, 9), None],
    "boolean": [False, True, None],
    "decimal(9,2)": [Decimal("-1.25"), Decimal("0.00"), Decimal("7.10"), None],
}


def table(time: str | None, row_key: list[str]) -> Table:
    columns = {"id": "text", "n": "integer", "x": "float", "t": "timestamp"}
    columns |= {"b": "boolean", "d": "decimal(9,2)"}
    document = {"source": {"parquet": "/x"}, "columns": columns, "row_key": row_key}
    return Table.model_validate(
        {"name": "rows", **document, **({"time": time} if time else {})}, context={"trusted": True}
    )


def random_rows(kinds: Sequence[str], count: int, seed: int) -> Any:
    chance = random.Random(seed)
    owners = [chance.choice([None, "", *map(str, range(50))]) for _ in range(count)]
    keys = pa.array([owner or None for owner in owners], pa.string())
    fate = [ORDINARY if owner else WITHOUT_CUSTOMER for owner in owners]
    columns: dict[str, Any] = {KEY: keys, PARTNER: keys, FATE: pa.array(fate, pa.int32())}
    for index, kind in enumerate(kinds):
        values = [chance.choice(VALUES[kind]) for _ in range(count)]
        columns[f"c{index}"] = pa.array(values, WIRE[kind])
    columns[FILE] = pa.array([chance.randrange(3) for _ in range(count)], pa.int32())
    columns[ROW] = pa.array(range(count), pa.int64())
    return pa.table(columns)


def sent(rows: Any, send: SendRows, order: Sequence[str], *, held: bool) -> dict[int, Any]:
    """Return the rows of each partition as they arrive there."""
    found: dict[int, Runs] = {}
    for parcels in send(rows.to_batches(max_chunksize=97)):
        for parcel in parcels.to_pylist():
            runs = found.setdefault(parcel[PARTITION], Runs(order))
            runs.add(read_parcel(send.lake, parcel), held=held)
    arrived = {}
    for number, runs in found.items():
        with runs:
            arrived[number] = pa.Table.from_batches(list(runs.ordered()))
    return arrived


@pytest.mark.parametrize(
    ("time", "row_key"),
    [
        ("t", ["id"]),
        ("t", []),
        (None, ["id"]),
        (None, ["x", "n"]),
        (None, ["n"]),
        (None, ["b", "d"]),
        (None, ["d"]),
        (None, []),
    ],
)
@pytest.mark.parametrize(("held", "most_held"), [(False, 0), (True, 0), (True, 1 << 20)])
def test_rows_arrive_as_if_they_had_been_sorted_at_once(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    time: str | None,
    row_key: list[str],
    held: bool,
    most_held: int,
):
    monkeypatch.setattr(sending, "_MOST_ROWS", 300)
    monkeypatch.setattr(receiving, "_MOST_HELD", most_held)
    monkeypatch.setattr(receiving, "_RANGE_ROWS", 200)
    monkeypatch.setattr(receiving, "BATCH_ROWS", 150)
    known = table(time, row_key)
    order = order_columns(known)
    rows = random_rows(list(known.columns.values()), 5_000, seed=len(row_key))
    send = SendRows(
        lake=Lake(str(tmp_path)), directory="s", partitions=4, first=order[0] if order else None
    )
    arrived = sent(rows, send, order, held=held)

    expected = list(few._parts(few._ordered(rows, known, 4)))
    assert len(arrived) == len(expected) == 4
    for part in expected:
        number = part.column(PARTITION)[0].as_py()
        whole = arrived[number]
        assert repr(whole.to_pylist()) == repr(part.select(whole.schema.names).to_pylist())


def test_batches_are_of_one_size_but_for_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(receiving, "_RANGE_ROWS", 200)
    monkeypatch.setattr(receiving, "BATCH_ROWS", 150)
    rows = random_rows(["timestamp"], 1_000, seed=3)
    runs = Runs(["c0"])
    send = SendRows(lake=Lake(str(tmp_path)), directory="s", partitions=1, first="c0")
    for parcels in send(rows.to_batches()):
        runs.add(read_parcel(send.lake, parcels.to_pylist()[0]), held=False)
    sizes = [batch.num_rows for batch in runs.ordered()]
    assert sizes == [150] * 6 + [100]


@pytest.mark.parametrize("kind", [k for k in VALUES if k != "decimal(9,2)"])
def test_codes_order_as_the_values_do(kind: str):
    values = pa.array(VALUES[kind], WIRE[kind])
    codes = order_codes(pa.table({"c": values}), "c").tolist()
    missing = [v is None or str(v) in ("", "nan") for v in VALUES[kind]]
    given_ = [
        (v.encode() if isinstance(v, str) else v, code)
        for v, code, gone in zip(VALUES[kind], codes, missing, strict=True)
        if not gone
    ]
    for one, code in given_:
        for other, code_of_other in given_:
            if one < other:
                assert code <= code_of_other
            if one == other:
                assert code == code_of_other
    lowest = [code for code, gone in zip(codes, missing, strict=True) if gone]
    assert all(low <= code for low in lowest for _, code in given_)
    assert len(set(lowest)) <= 1


texts = st.lists(st.none() | st.text(max_size=40), max_size=30)


@given(texts, st.integers(0, 5), st.integers(0, 5))
def test_hashes_are_those_of_the_engine(values: list[str | None], start: int, end: int):
    array = pa.array(values, pa.string()).slice(start, max(0, len(values) - start - end))
    expected = [
        0 if v is None else xxhash.xxh64_intdigest(v.encode(), seed=PARTITION_SEED)
        for v in array.to_pylist()
    ]
    assert partition_hashes(array).tolist() == expected


@given(texts, st.integers(0, 5))
def test_first_bytes_order_as_texts_do(values: list[str | None], start: int):
    array = pa.array(values, pa.string()).slice(min(start, len(values)))
    found = first_bytes(array).tolist()
    expected = [
        int.from_bytes((v or "").encode()[:8].ljust(8, b"\0"), "big") for v in array.to_pylist()
    ]
    assert found == expected
