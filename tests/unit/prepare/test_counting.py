from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.catalog.statistic import ColumnStatistic, Statistics, TableStatistic
from muster_worker.prepare.statistic import hidden, merged, reduced
from muster_worker.prepare.task.counting import TableCount

NAN = float("nan")

COLUMNS = {
    "text": "text",
    "whole": "integer",
    "price": "decimal(38,2)",
    "share": "float",
    "flag": "boolean",
    "day": "date",
    "at": "timestamp",
    "tags": "array<text>",
}

ROWS = pa.table(
    {
        "text": pa.array(["a", "", None, "a"]),
        "whole": pa.array([3, None, -(2**63), 3], pa.int64()),
        "price": pa.array([Decimal("9" * 36 + ".99"), Decimal("-0.05"), None, None], pa.decimal128(38, 2)),
        "share": pa.array([NAN, 0.5, None, -1.5]),
        "flag": pa.array([True, False, True, None]),
        "day": pa.array([date(1970, 1, 3), date(1900, 1, 1), None, date(1970, 1, 3)]),
        "at": pa.array([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)] * 3 + [None], pa.timestamp("us", "UTC")),
        "tags": pa.array([["x", "", None], [], None, ["x", "y"]], pa.list_(pa.string())),
    }
)  # fmt: skip


def counted(*chunks, columns=COLUMNS, personal=()):
    count = TableCount(columns, personal)
    for chunk in chunks:
        count.add(chunk)
    return count.result()


def whole_table(*parts, columns=COLUMNS, personal=()):
    return merged(columns, parts, personal).columns


def test_what_is_missing_the_range_and_few_values_are_told_in_the_columns_own_terms():
    found = whole_table(counted(ROWS))
    as_told = {name: (c.nulls, c.minimum, c.maximum, c.values) for name, c in found.items()}
    assert as_told == {
        "text": (2, None, None, {"a": 2}),
        "whole": (1, -(2**63), 3, {"3": 2, str(-(2**63)): 1}),
        "price": (2, -5, int("9" * 38), {"-5": 1, "9" * 38: 1}),
        "share": (2, -1.5, 0.5, None),
        "flag": (1, None, None, {"true": 2, "false": 1}),
        "day": (1, -25567, 2, {"-25567": 1, "2": 2}),
        "at": (1, 1_000_000, 1_000_000, None),
        "tags": (2, None, None, {"x": 2, "y": 1}),
    }
    assert all(c.rows == 4 and c.kind == COLUMNS[name] for name, c in found.items())


def test_parts_and_chunks_add_up_to_the_whole():
    halves = [counted(ROWS.slice(0, 1)), counted(ROWS.slice(1, 2), ROWS.slice(3))]
    assert whole_table(*halves) == whole_table(counted(ROWS))
    double = whole_table(counted(ROWS, ROWS))
    assert double["text"].values == {"a": 4}
    assert double["tags"].nulls == 4


def test_statistics_survive_their_file_exactly():
    infinite = pa.table({"share": [float("inf"), -0.0]})
    part = counted(infinite, columns={"share": "float"})
    tables = {
        "t": merged(COLUMNS, [counted(ROWS)], []),
        "u": merged({"share": "float"}, [part], []),
    }
    known = Statistics(tables=tables, dimensions={"d": tables["t"]})
    again = Statistics.model_validate_json(known.model_dump_json())
    assert again == known
    found = [again.column("t", "price"), again.column("u", "share"), again.dimension("d", "day")]
    assert [c and c.maximum for c in found] == [int("9" * 38), float("inf"), 2]
    unknown = [again.column("d", "day"), again.column("t", "colour"), again.dimension("t", "day")]
    assert unknown == [None] * 3


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_column_with_over_a_thousand_values_keeps_no_list(chunks):
    def values(low, high):
        return pa.table({"n": list(range(low, high))})

    kind = {"n": "integer"}
    for most, kept in ((1_000, True), (1_001, False)):
        cuts = [most * i // chunks for i in range(chunks + 1)]
        parts = [values(*pair) for pair in pairwise(cuts)]
        together = whole_table(counted(*parts, columns=kind), columns=kind)["n"]
        apart = whole_table(*(counted(p, columns=kind) for p in parts), columns=kind)["n"]
        assert together == apart
        assert (together.values is not None) == kept
        assert (together.minimum, together.maximum) == (0, most - 1)


def test_long_texts_keep_no_list():
    texts = pa.table({"t": [f"{n}" * 500 for n in range(100, 200)]})
    assert counted(texts, columns={"t": "text"})["t"]["values"] is None


def test_personal_columns_keep_no_value_at_all():
    personal = list(COLUMNS)
    found = whole_table(counted(ROWS, personal=personal), personal=personal)
    assert {(c.minimum, c.maximum, c.values is None) for c in found.values()} == {
        (None, None, True)
    }
    assert found["text"].nulls == 2
    # and where the mark came later, what was known goes
    later = hidden(merged(COLUMNS, [counted(ROWS)], []), ["text", "day"]).columns
    assert later["text"] == found["text"]
    assert later["day"] == found["day"]
    assert later["whole"].maximum == 3


def test_a_table_without_rows_has_no_value():
    assert whole_table()["text"] == ColumnStatistic(kind="text", rows=0, nulls=0, values={})
    assert whole_table(counted(ROWS.slice(0, 0)))["whole"].values == {}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(range(4)), max_size=9),
    st.lists(st.sampled_from(range(4)), max_size=4),
    st.data(),
)
def test_what_rows_that_go_held_is_taken_from_the_counts_as_if_they_had_never_been(
    held, added, data
):
    gone = data.draw(st.lists(st.sampled_from(range(len(held))), unique=True)) if held else []
    rows = ROWS.take(pa.array(held, pa.int64()))
    stay = [i for i in range(len(held)) if i not in gone]
    known = TableStatistic(columns=whole_table(counted(rows), personal=["text"]))
    less, more = rows.take(pa.array(gone, pa.int64())), ROWS.take(pa.array(added, pa.int64()))
    found = reduced(COLUMNS, known, [counted(less)], [counted(more, personal=["text"])], ["text"])
    left = counted(rows.take(pa.array(stay, pa.int64())), more, personal=["text"])
    expected = whole_table(left, personal=["text"])
    if found is not None:
        assert found.columns == expected
        return
    # only where a column without a list of its values lost an end of its range
    ends = [(c.minimum, c.maximum) for c in (known.columns["share"], known.columns["at"])]
    assert gone
    assert ends != [(None, None), (None, None)]
