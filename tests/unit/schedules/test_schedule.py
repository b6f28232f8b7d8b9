from __future__ import annotations

from datetime import UTC, datetime

import pytest

from muster_core.errors import InvalidInput
from muster_core.schedules.schedule import OFF, SYSTEM, ScheduleKind, read_schedule


def test_the_three_kinds_are_read_from_a_document() -> None:
    assert read_schedule("system") is SYSTEM
    assert read_schedule("off") is OFF
    assert (
        read_schedule({"cron": "0 6 * * *", "timezone": "Europe/Berlin"}).kind is ScheduleKind.CRON
    )


@pytest.mark.parametrize("document", ["system", "off", {"cron": " 0  6 * * *", "timezone": "UTC"}])
def test_what_is_stored_reads_back_the_same(document: object) -> None:
    schedule = read_schedule(document)

    assert read_schedule(schedule.to_json()) == schedule


def test_a_cron_without_a_zone_is_in_the_zone_of_its_segment() -> None:
    schedule = read_schedule({"cron": "0 6 * * *"}, timezone="Asia/Tokyo")

    assert schedule.timezone == "Asia/Tokyo"


def test_all_problems_are_told_at_once_with_their_place() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_schedule({"cron": "61 * * * *", "timezone": "Mars/Phobos"})

    assert [p.pointer for p in caught.value.problems] == ["/schedule/timezone", "/schedule/cron"]


@pytest.mark.parametrize("value", [None, 5, [], "hourly", {}, {"cron": 7}, {"timezone": "UTC"}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="1 problem"):
        read_schedule(value)


def test_the_coming_times_begin_with_the_next_one() -> None:
    schedule = read_schedule({"cron": "0 6 * * 1-5", "timezone": "Europe/Berlin"})
    first = datetime(2026, 10, 23, 4, tzinfo=UTC)

    assert schedule.coming(first) == [
        first,
        *(datetime(2026, 10, day, 5, tzinfo=UTC) for day in (26, 27, 28, 29)),
    ]
    assert schedule.coming(None) == []
    assert SYSTEM.coming(first) == []
