"""Parts of local dates and yearly returns, against a plain reading of the rules."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.catalog.type import parse_type
from muster_core.kernel.column import Column
from muster_core.kernel.filter import passing
from muster_core.rules.instant import to_days
from muster_core.rules.predicate import Anniversary, CalendarPart, Predicate

DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))


def _passing(predicate: Predicate, days: list[date | None]) -> list[bool]:
    def other(name: str, kind: str) -> Column:
        raise AssertionError

    column = Column(pa.array(days, pa.date32()), parse_type("date"))
    return [bool(bit) for bit in passing(predicate, column, other)]


def _return(day: date, year: int) -> date:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lost = (day.month, day.day) == (2, 29) and not leap
    return date(year, 2, 28) if lost else date(year, day.month, day.day)


@settings(deadline=None, max_examples=60)
@given(days=st.lists(st.none() | DAYS, max_size=8))
def test_parts_are_those_of_the_date(days: list[date | None]) -> None:
    for part, values, of in [
        ("day", (1, 31, 29), lambda d: d.day),
        ("month", (2, 12), lambda d: d.month),
        ("year", (1970, 1969, 2024), lambda d: d.year),
        ("weekday", (1, 7), lambda d: d.isoweekday()),
    ]:
        predicate = CalendarPart.model_validate({"part": part, "values": values})
        expected = [d is not None and of(d) in values for d in days]
        assert _passing(predicate, days) == expected
        negated = predicate.model_copy(update={"negate": True})
        assert _passing(negated, days) == [not found for found in expected]


@settings(deadline=None, max_examples=80)
@given(
    days=st.lists(DAYS | st.just(date(2000, 2, 29)), min_size=1, max_size=8),
    first=st.none() | DAYS | st.just(date(2023, 2, 28)) | st.just(date(2024, 2, 29)),
    length=st.none() | st.integers(-3, 900),
)
def test_some_return_not_before_the_date_lies_in_the_span(
    days: list[date], first: date | None, length: int | None
) -> None:
    begin = None if first is None else to_days(first)
    last = None if length is None else (begin or 0) + length
    expected = []
    for day in days:
        returns = [to_days(_return(day, year)) for year in range(day.year, 2206)]
        inside = [
            r for r in returns if (begin is None or r >= begin) and (last is None or r <= last)
        ]
        expected.append(bool(inside))
    assert _passing(Anniversary(first=begin, last=last), [*days, None]) == [*expected, False]


def test_a_timestamp_counts_as_its_local_date() -> None:
    def other(name: str, kind: str) -> Column:
        raise AssertionError

    late = pa.array([23 * 3_600_000_000], pa.timestamp("us", "UTC"))
    column = Column(late, parse_type("timestamp"))
    second = CalendarPart(part="day", values=(2,), zone="Europe/Berlin")
    assert passing(second, column, other).tolist() == [True]
    assert passing(second.model_copy(update={"zone": "UTC"}), column, other).tolist() == [False]
