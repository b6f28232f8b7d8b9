"""Spans around `as_of` hold every window, in every zone, over clock changes and skipped days."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.comparison import compile_comparison
from muster_core.rules.duration import parse_duration, shift
from muster_core.rules.instant import start_of_day, to_date, to_micros
from muster_core.rules.literal import Frame
from muster_core.rules.predicate import WholeRanges
from muster_core.rules.span import End, Span, compared_span, held_span, window_span
from muster_core.rules.value import CALENDAR, Ago, Ahead, Window
from muster_core.rules.window import window_bounds

ZONES = ("UTC", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo")
_DURATIONS = (
    "3 hours",
    "1 day",
    "2 weeks",
    "1 month",
    "5 months",
    "1 quarter",
    "1 year",
    "7 years",
)
_WINDOWS = (
    *(Window(calendar=name) for name in CALENDAR),
    *(Window(day_offset=n) for n in (-400, -1, 0, 1, 30)),
    *(Window(last=text) for text in _DURATIONS),
    *(Window(next=text) for text in _DURATIONS),
    *(Window(before_ago=text) for text in _DURATIONS),
    Window(between_ago=("1 year", "2 months")),
)


def _moments(number: int) -> list[datetime]:
    rng = random.Random(5)
    begin = datetime(2009, 1, 1, tzinfo=UTC)
    found = [begin + timedelta(minutes=rng.randrange(8 * 366 * 1440)) for _ in range(number)]
    # around the day that Samoa left out, changes of clocks, and leap days
    edges = [(2011, 12, 30), (2012, 1, 1), (2012, 2, 29), (2013, 3, 31), (2013, 10, 20)]
    for year, month, day in edges:
        found += [datetime(year, month, day, hour, tzinfo=UTC) for hour in range(0, 24, 5)]
    return found


def _held(end: End | None, micros: int | None, now: int) -> bool:
    if end is None or micros is None:
        return end is None and micros is None
    return end.least <= micros - now <= end.most


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("window", _WINDOWS, ids=lambda window: str(window.model_dump_json()))
def test_every_window_lies_in_its_span(zone: str, window: Window) -> None:
    span = window_span(window)
    assert span is not None
    for as_of in _moments(60):
        low, high = window_bounds(window, Frame(as_of=as_of, zone=ZoneInfo(zone)))
        now = to_micros(as_of)
        assert _held(span.low, low, now), (as_of, "low")
        assert _held(span.high, high, now), (as_of, "high")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("compare", ["eq", "gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("value", [Ago(ago="1 month"), Ahead(ahead="5 days"), Ago(ago="2 hours")])
def test_every_relative_comparison_lies_in_its_span(
    zone: str, compare: str, value: Ago | Ahead
) -> None:
    place = ZoneInfo(zone)
    for as_of in _moments(30):
        now = to_micros(as_of)
        for kind in (Kind.TIMESTAMP, Kind.DATE):
            dates = kind is Kind.DATE
            span = compared_span(compare, value, dates=dates)
            frame = Frame(as_of=as_of, zone=place)
            found = compile_comparison(ColumnType(kind=kind), compare, value, frame=frame)  # type: ignore[arg-type]
            assert span is not None
            assert isinstance(found, WholeRanges)
            ends = [
                to_micros(start_of_day(to_date(end), place)) if dates and end is not None else end
                for end in found.ranges[0]
            ]
            assert _held(span.low, ends[0], now)
            assert _held(span.high, ends[1], now)


def test_held_values_begin_within_their_span() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for as_of in _moments(30):
        start = to_micros(shift(as_of, parse_duration("1 month"), zone=zone, sign=-1))
        assert _held(held_span("gte", "1 month").high, start, to_micros(as_of))
        assert _held(held_span("lt", "1 month").low, start + 1, to_micros(as_of))


def test_spans_are_apart_only_where_they_surely_are() -> None:
    recent, old = window_span(Window(last="27 days")), window_span(Window(before_ago="1 month"))
    assert recent is not None
    assert old is not None
    assert not recent.apart(old), "a February has 28 days, less a little for clocks"
    assert Span(low=End(least=5, most=9)).apart(Span(high=End(least=1, most=4)))
    assert not Span(low=End(least=4, most=9)).apart(Span(high=End(least=1, most=4)))
    assert old.outside() == Span(low=None if old.high is None else old.high.moved(1))
    assert recent.outside() is None
