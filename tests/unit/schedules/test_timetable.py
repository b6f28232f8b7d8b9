from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from muster_core.errors import InvalidInput
from muster_core.schedules.schedule import ScheduleKind, daily, read_schedule, stored_schedule


def local_times(schedule, after: datetime, count: int) -> list[str]:
    times = schedule.times()
    zone = ZoneInfo(schedule.timezone)
    found = times.after(after)
    return [next(found).astimezone(zone).strftime("%a %d %H:%M") for _ in range(count)]


def test_several_times_of_every_day_come_in_order():
    schedule = daily(["18:30", "06:00"], timezone="Europe/Berlin")

    assert local_times(schedule, datetime(2026, 5, 4, 12, tzinfo=UTC), 3) == [
        "Mon 04 18:30",
        "Tue 05 06:00",
        "Tue 05 18:30",
    ]
    assert schedule.text() == "daily at 06:00, 18:30 Europe/Berlin"


def test_weekly_times_come_on_their_weekdays_only():
    schedule = daily(["07:00"], weekdays=["THU", "mon"], timezone="America/New_York")

    assert local_times(schedule, datetime(2026, 5, 4, 12, tzinfo=UTC), 3) == [
        "Thu 07 07:00",
        "Mon 11 07:00",
        "Thu 14 07:00",
    ]
    assert schedule.text() == "mon, thu at 07:00 America/New_York"


def test_several_times_in_a_gap_of_the_clocks_are_one_run_at_its_end():
    schedule = daily(["02:15", "02:45", "04:00"], timezone="Europe/Berlin")

    assert local_times(schedule, datetime(2026, 3, 29, 0, tzinfo=UTC), 3) == [
        "Sun 29 03:00",
        "Sun 29 04:00",
        "Mon 30 02:15",
    ]


def test_a_timetable_is_kept_and_read_back():
    schedule = daily(["06:00", "06:00"], weekdays=["sun", "fri"], timezone="Asia/Tokyo")

    assert schedule.kind is ScheduleKind.TIMES
    assert read_schedule(schedule.to_json()) == schedule
    assert stored_schedule(schedule.to_json()) == schedule


@pytest.mark.parametrize(
    ("times", "weekdays", "timezone"),
    [
        ([], [], "UTC"),
        (["24:00"], [], "UTC"),
        (["6:00"], [], "UTC"),
        (["06:00\n"], [], "UTC"),
        (["06:00"] * 145, [], "UTC"),
        (["06:00"], ["someday"], "UTC"),
        (["06:00"], [], "Mars/Phobos"),
    ],
)
def test_what_is_no_timetable_is_refused(times, weekdays, timezone):
    with pytest.raises(InvalidInput):
        daily(times, weekdays=weekdays, timezone=timezone)
