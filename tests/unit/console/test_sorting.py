"""Cursors of lists that the database sorts: what one says is read back, and nothing else is taken."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from muster_console.operation.sorting import next_cursor, read_sorting, sortable
from muster_core.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: int
    name: str | None
    at: datetime | None
    share: float | None
    parts: dict[str, int]


COLUMNS = sortable(Row, called="name")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_every_plain_field_can_be_sorted_by():
    assert set(COLUMNS) == {"id", "called", "at", "share"}


@pytest.mark.parametrize("column", sorted(COLUMNS))
@pytest.mark.parametrize("row", [Row(id=7, name="é", at=AT, share=0.5, parts={})])
def test_a_page_goes_on_behind_the_row_the_one_before_ended_with(column, row):
    cursor = next_cursor([row], 1, f"-{column}", COLUMNS, number="id")
    found = read_sorting(f"-{column}", cursor, COLUMNS)
    assert found.down
    assert found.after == (getattr(row, COLUMNS[column][0]), 7)
    assert next_cursor([row], 2, column, COLUMNS, number="id") is None


def test_a_missing_value_is_a_place_as_well():
    row = Row(id=7, name=None, at=None, share=None, parts={})
    cursor = next_cursor([row], 1, "at", COLUMNS, number="id")
    assert read_sorting("at", cursor, COLUMNS).after == (None, 7)


@pytest.mark.parametrize(
    ("sort", "place"),
    [
        ("at", ["at", "yesterday", 7]),
        ("at", ["at", 3, 7]),
        ("at", ["at", "0001-01-01T00:00:00+14:00", 7]),
        ("id", ["id", True, 7]),
        ("id", ["id", 2**63, 7]),
        ("id", ["id", 1, 2**63]),
        ("id", ["id", 1, True]),
        ("id", ["-id", 1, 7]),
        ("share", ["share", float("nan"), 7]),
        ("called", ["called", "a\0b", 7]),
        ("called", ["called", "\ud800", 7]),
        ("called", ["called", ["x"], 7]),
        ("called", {"called": 1}),
    ],
)
def test_what_no_row_could_have_said_is_no_cursor(sort, place):
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    with pytest.raises(InvalidInput):
        read_sorting(sort, cursor, COLUMNS)


def test_there_is_no_sorting_by_what_is_no_column():
    for sort in ("parts", "name", "", "--id"):
        with pytest.raises(InvalidInput):
            read_sorting(sort, None, COLUMNS)
