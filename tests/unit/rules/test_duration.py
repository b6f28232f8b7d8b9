"""Durations and local calendars, across months and daylight-saving changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster_core.rules.duration import Duration, parse_duration, shift
from muster_core.rules.instant import (
    first_day_from,
    from_local,
    last_day_until,
    start_of_day,
    to_date,
    to_days,
    to_instant,
    to_micros,
)
from muster_core.schedules.zone import read_zone

BERLIN = read_zone("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 second", Duration(seconds=1)),
        ("30 days", Duration(seconds=30 * 86_400)),
        ("2 weeks", Duration(seconds=14 * 86_400)),
        ("1 month", Duration(months=1)),
        ("2 quarters", Duration(months=6)),
        ("1 year", Duration(months=12)),
    ],
)
def test_a_duration_is_read_in_its_smallest_equal_unit(text: str, expected: Duration) -> None:
    assert parse_duration(text) == expected
    assert parse_duration(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "-5 days",
        "0 days",
        "99999999 years",
        "101 years",
        "5",
        "days",
        "1.5 days",
        "٣ days",
        "",
        "1day",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "text", "expected"),
    [
        (
            "2026-03-31T10:00:00+00:00",
            "1 month",
            "2026-02-28T11:00:00+00:00",
        ),  # clamped, winter time
        ("2024-02-29T10:00:00+00:00", "1 year", "2023-02-28T10:00:00+00:00"),
        (
            "2026-04-29T00:30:00+00:00",
            "1 month",
            "2026-03-29T01:30:00+00:00",
        ),  # 02:30 is in the gap
        ("2026-11-25T01:30:00+00:00", "1 month", "2026-10-25T00:30:00+00:00"),  # 02:30 comes twice
        ("2026-03-29T09:30:00+00:00", "1 day", "2026-03-28T09:30:00+00:00"),  # days are 24 hours
    ],
)
def test_calendar_steps_are_clamped_and_know_gaps_and_repeats(
    start: str, text: str, expected: str
) -> None:
    moved = shift(_moment(start), parse_duration(text), zone=BERLIN, sign=-1)
    assert moved == _moment(expected)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00:00+00:00"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00:00+00:00"),  # no midnight: 01:00
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00+00:00"),  # no such day
        ("Asia/Beirut", date(2022, 3, 27), "2022-03-26T22:00:00+00:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, expected: str) -> None:
    assert start_of_day(day, read_zone(zone)) == _moment(expected)


def test_a_wall_clock_time_in_a_gap_moves_forward_and_a_repeated_one_is_the_first() -> None:
    assert from_local(datetime(2026, 3, 29, 2, 30), BERLIN) == datetime(
        2026, 3, 29, 1, 30, tzinfo=UTC
    )
    assert from_local(datetime(2026, 10, 25, 2, 30), BERLIN) == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "name",
    ["Mars/Phobos", "../../etc/localtime", "UTC+3", "", "America", "Japan", "posix/Europe/Berlin"],
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_zone(name)


_instants = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(
    lambda d: d.replace(tzinfo=UTC)
)


@given(instant=_instants, zone=st.sampled_from(ZONES))
def test_day_bounds_split_days_at_an_instant(instant: datetime, zone: str) -> None:
    micros, where = to_micros(instant), read_zone(zone)
    last, first = last_day_until(micros, where), first_day_from(micros, where)
    assert to_micros(start_of_day(to_date(last), where)) <= micros
    assert to_micros(start_of_day(to_date(first), where)) >= micros
    starts_exactly = to_micros(start_of_day(to_date(last), where)) == micros
    assert first == last + (0 if starts_exactly else 1) or zone == "Pacific/Apia"


@given(instant=_instants, months=st.integers(1, 1200), zone=st.sampled_from(ZONES))
def test_steps_back_keep_the_day_or_clamp_it(instant: datetime, months: int, zone: str) -> None:
    where = read_zone(zone)
    moved = shift(instant, Duration(months=months), zone=where, sign=-1)
    assert timedelta(days=months * 27) < instant - moved < timedelta(days=months * 32)
    assert to_instant(to_micros(moved)) == moved
    assert to_date(to_days(moved.date())) == moved.date()
