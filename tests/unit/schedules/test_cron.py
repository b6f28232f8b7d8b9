from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from muster_core.schedules.cron import missed, next_due, next_times, parse_cron

MINUTE = timedelta(minutes=1)


def local_times(expression: str, zone: str, after: datetime, count: int) -> list[str]:
    found = next_times(parse_cron(expression, zone), after, count)
    return [t.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z") for t in found]


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        # the gap from 02:00 to 03:00: once, at its end
        (
            "Europe/Berlin",
            "30 2 * * *",
            datetime(2026, 3, 28, tzinfo=UTC),
            ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"],
        ),
        # several times in the gap are still one
        (
            "Europe/Berlin",
            "0,15,30 2 * * *",
            datetime(2026, 3, 29, tzinfo=UTC),
            ["29 03:00 +0200", "30 02:00 +0200"],
        ),
        # the repeat from 02:00 to 03:00: the first time only
        (
            "Europe/Berlin",
            "30 2 * * *",
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            ["25 02:30 +0200", "26 02:30 +0100"],
        ),
        # hourly follows the hours that go by
        (
            "Europe/Berlin",
            "30 * * * *",
            datetime(2026, 10, 24, 23, 45, tzinfo=UTC),
            ["25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"],
        ),
        (
            "Europe/Berlin",
            "30 * * * *",
            datetime(2026, 3, 29, 0, 0, tzinfo=UTC),
            ["29 01:30 +0100", "29 03:30 +0200"],
        ),
        # half an hour only
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            datetime(2026, 10, 3, tzinfo=UTC),
            ["04 02:30 +1100", "05 02:15 +1100"],
        ),
        # at 02:45 local, in a zone of 45 minutes
        (
            "Pacific/Chatham",
            "0 3 * * *",
            datetime(2026, 9, 26, 0, 0, tzinfo=UTC),
            ["27 03:45 +1345", "28 03:00 +1345"],
        ),
        # two hours at once
        (
            "Antarctica/Troll",
            "30 1 * * *",
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            ["29 03:00 +0200", "30 01:30 +0200"],
        ),
        # a day that never was
        (
            "Pacific/Apia",
            "0 12 * * *",
            datetime(2011, 12, 29, 12, tzinfo=UTC),
            ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"],
        ),
        # midnight itself is the gap
        (
            "Asia/Beirut",
            "0 0 * * *",
            datetime(2026, 3, 28, 12, tzinfo=UTC),
            ["29 01:00 +0300", "30 00:00 +0300"],
        ),
    ],
)
def test_times_around_a_change_of_the_clocks(
    zone: str, expression: str, after: datetime, expected: list[str]
) -> None:
    assert local_times(expression, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * * *",
        "@reboot",
        "60 * * * *",
        "*/0 * * * *",
        "0 0 31 2 *",
        "0 0 30 2 *",
        "0 0 * *",
        "",
        "0 0 * * 8",
        "0 0 0 * *",
        "a b c d e",
        "٣ * * * *",
        "-1 * * * *",
        "5-1 * * * *",
        "1,,2 * * * *",
        "* * * * *\n* * * * *",
        "0 " * 5_000,
        "1," * 60 + "1 0 * * *" + " " * 200,
    ],
)
def test_a_hostile_cron_is_refused_clearly(expression: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        parse_cron(expression, "UTC")


@pytest.mark.parametrize(
    "zone",
    [
        "Mars/Phobos",
        "../../etc/localtime",
        "/etc/localtime",
        "EST5EDT",
        "UTC+3",
        "",
        "europe/berlin",
        "Europe",
        "Europe/Berlin\x00",
        "localtime",
    ],
)
def test_a_hostile_zone_is_refused_clearly(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        parse_cron("0 0 * * *", zone)


def test_29_february_comes_in_leap_years() -> None:
    cron = parse_cron("0 0 29 2 *", "UTC")

    years = [t.year for t in next_times(cron, datetime(2026, 1, 1, tzinfo=UTC), 3)]

    assert years == [2028, 2032, 2036]


def test_the_next_five_times_are_later_than_now() -> None:
    now = datetime(2026, 1, 1, 6, tzinfo=UTC)

    times = next_times(parse_cron("0 6 * * 1-5", "UTC"), now)

    assert [t.day for t in times] == [2, 5, 6, 7, 8]


def test_of_missed_instants_the_newest_are_kept() -> None:
    cron = parse_cron("0 * * * *", "UTC")
    first = datetime(2026, 1, 1, tzinfo=UTC)
    now = first + timedelta(hours=5, minutes=30)

    assert missed(cron, first, now, limit=10) == [first + timedelta(hours=h) for h in range(6)]
    assert missed(cron, first, now, limit=2) == [first + timedelta(hours=h) for h in (4, 5)]


def test_decades_of_missed_minutes_cost_no_more_than_asked_for() -> None:
    cron = parse_cron("* * * * *", "Europe/Berlin")
    now = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)

    found = missed(cron, datetime(1970, 1, 1, tzinfo=UTC), now, limit=1_000)

    assert len(found) == 1_000
    assert found[-1] == now - timedelta(seconds=30)


ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Asia/Beirut",
    "America/Havana",
]


def simulated(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Walk the clock minute by minute, with the rules of daylight saving as features.md says them."""
    minutes, hours, days, months, weekdays = _fields(expression)
    elapsed = expression.split()[1].startswith("*")
    place = ZoneInfo(zone)

    def matches(local: datetime) -> bool:
        return (
            local.minute in minutes
            and local.hour in hours
            and local.day in days
            and local.month in months
            and local.isoweekday() % 7 in weekdays
        )

    # Well before the start, so that repeats are known as such.
    moment, found = start - timedelta(hours=26), []
    shown: datetime | None = None
    last = moment.astimezone(place).replace(tzinfo=None) - MINUTE
    while moment <= end:
        local = moment.astimezone(place).replace(tzinfo=None)
        if elapsed:
            due = matches(local)
        else:
            skipped = last + MINUTE
            due = False
            while skipped <= local:
                # what the clocks jumped over, or show for the first time
                due = due or ((shown is None or skipped > shown) and matches(skipped))
                skipped += MINUTE
            shown = local if shown is None else max(shown, local)
        if due and moment > start:
            found.append(moment)
        last = local
        moment += MINUTE
    return found


def _fields(expression: str) -> list[set[int]]:
    simulator = CronSim(expression, datetime(2026, 1, 1))
    weekdays = {d % 7 for d in simulator.weekdays}  # type: ignore[operator]
    return [
        simulator.minutes,
        simulator.hours,
        simulator.days,
        simulator.months,
        weekdays,
    ]


minute_fields = st.sampled_from(["0", "15", "30", "59", "0,30", "*/20", "5-8"])
hour_fields = st.sampled_from(["*", "*/2", "*/6", "0", "1", "2", "3", "0-4", "2,14", "23"])
weekday_fields = st.sampled_from(["*", "*", "1-5", "0", "7"])


@cache
def days_of_change(zone: str, year: int) -> list[datetime]:
    place = ZoneInfo(zone)
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=n) for n in range(365)]
    offsets = [day.astimezone(place).utcoffset() for day in days]
    return [
        day for day, old, new in zip(days, offsets, offsets[1:], strict=False) if old != new
    ] or [first]


@st.composite
def changes_of_clocks(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and an instant within a few days of a change of its clocks, if it has any that year."""
    zone = draw(st.sampled_from(ZONES))
    year = draw(st.integers(2020, 2037))
    near = draw(st.sampled_from(days_of_change(zone, year)))
    return zone, near + timedelta(minutes=draw(st.integers(-1_500, 1_500)))


@settings(max_examples=100, deadline=None)
@given(changes_of_clocks(), minute_fields, hour_fields, weekday_fields)
def test_times_equal_a_walk_through_every_minute(
    where: tuple[str, datetime], minute: str, hour: str, weekday: str
) -> None:
    zone, start = where
    expression = f"{minute} {hour} * * {weekday}"
    end = start + timedelta(days=2)

    cron = parse_cron(expression, zone)
    found = []
    following = next_due(cron, start)
    while following is not None and following <= end:
        found.append(following)
        following = next_due(cron, following)

    assert found == simulated(expression, zone, start, end)
