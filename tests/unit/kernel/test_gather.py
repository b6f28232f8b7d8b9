"""Columns outside the rows: found along references, missing where a reference leads nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from muster_core.kernel.column import Column
from muster_core.kernel.gather import Outside
from muster_core.kernel.node import Fold, Gathered, Lookup, RowTest, TablePlan
from muster_core.kernel.scan import scan_table
from muster_core.kernel.source import ArrowPartition
from muster_core.rules.predicate import IsSet, SameRow, TextIn, WholeRanges

NAME = Gathered(
    lookups=(
        Lookup(column="product", kind="integer", table="products", key="id"),
        Lookup(column="maker", kind="text", table="makers", key="code"),
        Lookup(column="country", kind="date", table="countries", key="since"),
    ),
    column="name",
    kind="text",
)
PRICE = Gathered(lookups=NAME.lookups[:1], column="price", kind="integer")
HOME = Gathered(lookups=(), start="profile", column="home", kind="text")
MAKER = Gathered(
    lookups=(Lookup(column="favourite", kind="text", table="makers", key="code"),),
    start="profile",
    column="country",
    kind="date",
)


def _partition(*, dictionary: bool, chunk_rows: int, sparse: int) -> ArrowPartition:
    def text(values: list[str | None]) -> Any:
        array = pa.array(values, pa.string())
        return array.dictionary_encode() if dictionary else array

    products = [1, 2, 3, 9]
    return ArrowPartition(
        customers=pa.table({"home": text(["x", None, "y"]), "favourite": text(["m1", "m?", "m2"])}),
        tables={
            "rows": pa.table(
                {
                    "_ordinal": pa.array([0, 0, 1, 1, 2, 2], pa.int32()),
                    "product": pa.array([p * sparse if p else None for p in (1, 2, 3, 0, 7, 1)]),
                    "paid": pa.array([10, 21, 30, 5, 5, 9]),
                }
            )
        },
        live=np.ones(3, dtype=np.bool_),
        earlier={},
        chunk_rows=chunk_rows,
        dimensions={
            "products": pa.table(
                {
                    "id": [p * sparse for p in products],
                    "maker": text(["m1", "m2", None, "m1"]),
                    "price": [10, 20, 30, 40],
                }
            ),
            "makers": pa.table(
                {"code": text(["m2", "m1"]), "country": pa.array([None, 5], pa.date32())}
            ),
            "countries": pa.table(
                {"since": pa.array([4, 5], pa.date32()), "name": text(["F", "G"])}
            ),
        },
    )


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("chunk_rows", [1, 4, 100])
@pytest.mark.parametrize("sparse", [1, 10**15])
def test_rows_are_tested_by_what_they_refer_to(
    dictionary: bool, chunk_rows: int, sparse: int
) -> None:
    partition = _partition(dictionary=dictionary, chunk_rows=chunk_rows, sparse=sparse)
    german = TextIn(texts=("G",))
    tests = [
        ("name", "text", german, [1, 0, 1]),
        ("name", "text", german.model_copy(update={"negate": True}), [1, 2, 1]),
        ("name", "text", IsSet(), [1, 0, 1]),
        ("price", "integer", WholeRanges(ranges=((20, None),)), [1, 1, 0]),
        (
            "paid",
            "integer",
            SameRow(other="price", other_type="integer", relation="gt"),
            [1, 0, 0],
        ),
        ("home", "text", TextIn(texts=("x",)), [2, 0, 0]),
        ("country", "date", WholeRanges(ranges=((5, 5),), negate=True), [0, 2, 2]),
    ]
    plan = TablePlan(
        time=None,
        time_kind=None,
        gathered={"name": NAME, "price": PRICE, "home": HOME, "country": MAKER},
        rows=tuple(RowTest(column=c, kind=k, predicate=p) for c, k, p, _ in tests),  # type: ignore[arg-type]
        folds=tuple(
            Fold(where=n, low=None, high=None, function="count", column=None, kind=None)
            for n in range(len(tests))
        ),
    )
    results = scan_table("rows", plan, partition)
    for result, (column, _, predicate, counts) in zip(results, tests, strict=True):
        assert result.numbers().values.tolist() == counts, (column, predicate)


def test_values_found_outside_are_summed_and_columns_of_the_profile_gathered() -> None:
    partition = _partition(dictionary=True, chunk_rows=2, sparse=1)
    fold = Fold(where=None, low=None, high=None, function="sum", column="price", kind="integer")
    plan = TablePlan(time=None, time_kind=None, gathered={"price": PRICE}, rows=(), folds=(fold,))
    assert scan_table("rows", plan, partition)[0].numbers().values.tolist() == [30, 30, 10]
    outside = Outside(partition, {"country": MAKER})

    def row(name: str) -> Any:
        raise AssertionError(name)

    column = outside.gathered("country", outside.places("country", row, None))
    assert isinstance(column, Column)
    assert column.whole.tolist() == [5, 0, 0]
    assert column.valid.tolist() == [True, False, False]
