"""Local calendars of whole arrays agree with the datetimes of `muster_core.rules.instant`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.kernel.zone import zone_table
from muster_core.rules.instant import (
    from_local,
    start_of_day,
    to_date,
    to_days,
    to_instant,
    to_local,
    to_micros,
)
from muster_core.schedules.zone import read_zone

#: Midnight gaps, a day left out, half-hour changes, no changes, names of old rules.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "Asia/Beirut",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Antarctica/Troll",
]
FIRST, LAST = datetime(1900, 1, 1), datetime(2200, 1, 1)
LOCAL = datetime(1970, 1, 1)
MICRO = timedelta(microseconds=1)


def _changes(name: str) -> list[int]:
    """Return instants around the zone's changes, found apart from the table: day by day."""
    zone = read_zone(name)
    found = []
    day = FIRST.replace(tzinfo=UTC)
    before = day.astimezone(zone).utcoffset()
    while day < datetime(2060, 1, 1, tzinfo=UTC):
        day += timedelta(days=1)
        after = day.astimezone(zone).utcoffset()
        if after != before:
            found.append(to_micros(day))
        before = after
    return found


@pytest.mark.parametrize("name", ZONES)
def test_wall_times_and_days_around_every_change_are_those_of_datetimes(name: str) -> None:
    zone, table = read_zone(name), zone_table(name)
    hours = np.arange(-30, 31) * 1_800_000_000 + 17
    instants = (np.array([0, *_changes(name)[-60:]])[:, None] + hours).ravel()
    local = [(to_local(to_instant(int(m)), zone) - LOCAL) // MICRO for m in instants]
    assert table.local(instants).tolist() == local
    walls = np.array(local)
    expected = [to_micros(from_local(LOCAL + timedelta(microseconds=w), zone)) for w in local]
    assert table.instants(walls).tolist() == expected
    days = np.unique(walls // 86_400_000_000)
    starts = [to_micros(start_of_day(to_date(int(d)), zone)) for d in days]
    assert table.starts(days).tolist() == starts


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from(ZONES),
    moment=st.datetimes(FIRST, LAST),
    day=st.dates(date(1900, 1, 2), date(2199, 12, 31)),
)
def test_every_moment_and_day_of_three_centuries_is_the_same(
    name: str, moment: datetime, day: date
) -> None:
    zone, table = read_zone(name), zone_table(name)
    instant = to_micros(moment.replace(tzinfo=UTC))
    local = to_local(moment.replace(tzinfo=UTC), zone)
    assert table.local(np.array([instant])).tolist() == [(local - LOCAL) // MICRO]
    wall = np.array([(moment - LOCAL) // MICRO])
    assert table.instants(wall).tolist() == [to_micros(from_local(moment, zone))]
    start = table.starts(np.array([to_days(day)]))
    assert start.tolist() == [to_micros(start_of_day(day, zone))]


def test_months_are_stepped_on_the_wall_and_end_with_the_month() -> None:
    table = zone_table("Europe/Berlin")

    def stepped(moment: datetime, months: int) -> datetime:
        local = to_micros(moment.replace(tzinfo=UTC))
        instants = table.instants(np.array([local]))
        wall = int(table.local(table.shifted(instants, months))[0])
        return LOCAL + timedelta(microseconds=wall)

    assert stepped(datetime(2024, 1, 31, 12), 1) == datetime(2024, 2, 29, 12)
    assert stepped(datetime(2023, 12, 31, 12), 2) == datetime(2024, 2, 29, 12)
    assert stepped(datetime(2024, 2, 29), 12) == datetime(2025, 2, 28)
    assert stepped(datetime(2026, 2, 28, 2, 30), 1) == datetime(2026, 3, 28, 2, 30)
    assert stepped(datetime(2026, 2, 28, 23), 240) == datetime(2046, 2, 28, 23)
    # half past two does not exist on 29 March 2026
    assert stepped(datetime(2025, 12, 29, 2, 30), 3) == datetime(2026, 3, 29, 3, 30)
