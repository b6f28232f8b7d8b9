"""A time on weekdays and its cron expression mean the same, both ways."""

from __future__ import annotations

import pytest

from muster_console.web.builder.timing import cron_of, daily_of
from muster_console.web.words import schedule_words
from muster_core.schedules.cron import parse_cron

PAIRS = [
    ("06:00", [], "0 6 * * *"),
    ("23:59", [1], "59 23 * * 1"),
    ("06:30", [1, 2, 3, 4, 5], "30 6 * * 1-5"),
    ("06:30", [6, 7], "30 6 * * 6,7"),
    ("00:05", [1, 3, 5, 6, 7], "5 0 * * 1,3,5-7"),
]


@pytest.mark.parametrize(("time", "days", "cron"), PAIRS)
def test_each_is_the_other(time: str, days: list[int], cron: str) -> None:
    assert cron_of(time, days) == cron
    assert daily_of(cron) == (time, days)
    parse_cron(cron, "UTC")


@pytest.mark.parametrize(
    ("cron", "days"), [("0 6 * * 0", [7]), ("0 6 * * 0-2", [1, 2, 7]), ("0 6 * * 5-7", [5, 6, 7])]
)
def test_sunday_has_two_numbers(cron: str, days: list[int]) -> None:
    assert daily_of(cron) == ("06:00", days)


@pytest.mark.parametrize(
    "cron",
    ["*/5 * * * *", "0 6,18 * * *", "0 6 1 * *", "0 6 * * 1-3-5", "60 6 * * *", "0 24 * * *", "0 6 * * 5-1", "", "nonsense"],
)  # fmt: skip
def test_what_says_more_than_one_time_of_a_day_is_left_to_the_expression(cron: str) -> None:
    assert daily_of(cron) is None


@pytest.mark.parametrize("time", ["", "6", "24:00", "06:60", "six"])
def test_no_time_makes_no_cron(time: str) -> None:
    assert cron_of(time, []) is None


def test_every_weekday_is_every_day() -> None:
    assert cron_of("06:00", [1, 2, 3, 4, 5, 6, 7]) == "0 6 * * *"


@pytest.mark.parametrize(
    ("kind", "schedule", "said"),
    [
        ("dynamic", "system", "system refresh"),
        ("static", "system", "by hand"),
        ("dynamic", "off", "never by itself"),
        ("dynamic", "30 6 * * 1-5 Europe/Berlin", "06:30 Mon to Fri, Europe/Berlin"),
        ("dynamic", "0 6 * * 6,7 UTC", "06:00 Sat, Sun, UTC"),
        ("dynamic", "0 6 * * * UTC", "06:00 every day, UTC"),
        ("dynamic", "*/5 * * * * UTC", "*/5 * * * * UTC"),
    ],
)
def test_schedules_are_said_as_people_say_them(kind: str, schedule: str, said: str) -> None:
    assert schedule_words(kind, schedule) == said
