from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.exports.cell import plain_text
from muster_core.exports.document import Format
from muster_core.exports.writer import write_file

FORMULA_START = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
# the rule a reader follows to take the marker off, written by hand from the user guide
MARKED = re.compile(
    r"'(?:'*[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*[=+\-@\x00-\x1f\uff1d\uff0b\uff0d\uff20]|[^\x00]*\x00)"
)


def write(table: pa.Table, *, raw: bool = False) -> bytes:
    output = io.BytesIO()
    write_file(output, table.schema, [table], form=Format.CSV, raw=raw)
    return output.getvalue()


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def cells(values: list[str | None], *, raw: bool = False) -> list[str]:
    csv.field_size_limit(4_000_000)
    rows = read(write(pa.table({"text": pa.array(values, pa.string())}), raw=raw))
    assert rows[0] == ["text"]
    return [row[0] if row else "" for row in rows[1:]]


HOSTILE = [
    '=1+2";=1+2',
    "=cmd|'/c calc'!A1",
    "@SUM(1+1)*cmd",
    "+1-555-0100",
    "-5",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "   @x",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\ufeff=1",
    "\ufeff =1",
    "\u00a0=1",
    "\u3000=1",
    "\u200b=1",
    "\0=1",
    "before\0=1",
    "'=1",
    "''=1",
    "\x0b=1",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_text_that_a_spreadsheet_would_run_gets_a_marker_and_keeps_its_content(value):
    assert cells([value]) == ["'" + value]


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a=b",
        "1-2",
        "'quoted",
        "it's",
        "x@y.org",
        "5",
        "",
        "semi;colon, comma",
        'a "quote"',
        "two\r\nlines",
        "Ünïcode 漢字 🎉",
        "x" * 1_000_000,
    ],
)
def test_other_text_is_written_as_it_is(value):
    assert cells([value]) == [value]


@pytest.mark.parametrize("value", HOSTILE)
def test_raw_leaves_every_text_as_it_is(value):
    assert cells([value], raw=True) == [value]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(
            st.sampled_from([*"=+-@'\" ,;ab\t\r\n\0", "\uff1d", "\ufeff", "\u00a0"]), max_size=6
        ),
        min_size=1,
    )
)
def test_a_reader_that_takes_the_marker_off_gets_the_text_back(values):
    written = cells([f"{v}" for v in values])

    assert len(written) == len(values)
    assert [c[1:] if MARKED.match(c) else c for c in written] == values
    assert not any(c.lstrip(" \ufeff\u00a0").startswith(FORMULA_START) for c in written)


def test_a_number_stays_a_number():
    table = pa.table(
        {
            "whole": [-5],
            "exact": pa.array([Decimal("-12.50")], pa.decimal128(10, 2)),
            "real": [-0.5],
        }
    )

    assert write(table).splitlines()[1] == b"-5,-12.50,-0.5"


def test_a_missing_value_is_empty_and_empty_text_is_quoted():
    table = pa.table(
        {"text": pa.array([None, ""], pa.string()), "number": pa.array([None, 1], pa.int64())}
    )

    assert write(table).splitlines()[1:] == [b",", b'"",1']


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (
            pa.array(
                [
                    datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC),
                    datetime(2026, 1, 31, 12, 0, 0, 250000, tzinfo=UTC),
                    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                ],
                pa.timestamp("us", "UTC"),
            ),
            ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.250000Z", "1969-12-31T23:59:59.999999Z"],
        ),
        (pa.array([date(2024, 2, 29)]), ["2024-02-29"]),
        (
            pa.array([Decimal("0.0000000001"), Decimal(0), None], pa.decimal128(20, 10)),
            ["0.0000000001", "0.0000000000", None],
        ),
        (
            pa.array([Decimal("12345678901234567890.12")], pa.decimal128(38, 2)),
            ["12345678901234567890.12"],
        ),
        (pa.array([True, False, None]), ["true", "false", None]),
    ],
)
def test_values_are_written_exactly_and_in_one_form(array, expected):
    assert plain_text(array).to_pylist() == expected


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (
            pa.array([["a", "b"], [], None, [None]], pa.list_(pa.string())),
            [["a", "b"], [], None, [None]],
        ),
        (
            pa.array([['q"', "back\\slash", "tab\t\r\n\0\x7f", "é漢"]]),
            [['q"', "back\\slash", "tab\t\r\n\0\x7f", "é漢"]],
        ),
        (pa.array([[1, None, -2]], pa.list_(pa.int64())), [[1, None, -2]]),
        (pa.array([[True]], pa.list_(pa.bool_())), [[True]]),
        (pa.array([[1.5, float("nan")]], pa.list_(pa.float64())), [[1.5, None]]),
        (pa.array([[date(2026, 1, 1)]], pa.list_(pa.date32())), [["2026-01-01"]]),
        (pa.array([], pa.list_(pa.string())), []),
    ],
)
def test_lists_are_json(array, expected):
    written = plain_text(array).to_pylist()

    assert [None if text is None else json.loads(text) for text in written] == expected


def test_a_slice_of_lists_is_written_like_the_whole():
    array = pa.array([["a"], None, ["b", "c"], []], pa.list_(pa.string()))

    assert plain_text(array.slice(1, 2)).to_pylist() == [None, '["b","c"]']


def test_a_header_that_a_spreadsheet_would_run_gets_a_marker():
    assert read(write(pa.table({"=1": ["x"]})))[0] == ["'=1"]
