"""Relative times at the edges of the years that may be written and of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from muster_core.catalog.type import parse_type
from muster_core.rules.comparison import compile_comparison
from muster_core.rules.instant import to_days, to_micros
from muster_core.rules.literal import Frame
from muster_core.rules.misfit import Misfit
from muster_core.rules.predicate import WholeRanges
from muster_core.rules.value import Ago, Ahead, Window
from muster_core.rules.window import window_bounds


def _frame(year: int) -> Frame:
    return Frame(as_of=datetime(year, 3, 1, 12, tzinfo=UTC), zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("as_of", "value", "year"),
    [(1950, Ago(ago="100 years"), 1850), (2150, Ahead(ahead="100 years"), 2250)],
)
def test_relative_times_reach_beyond_the_years_that_may_be_written(
    as_of: int, value: Ago | Ahead, year: int
) -> None:
    expected = datetime(year, 3, 1, 12, tzinfo=UTC)
    for kind, low in (("timestamp", to_micros(expected)), ("date", to_days(expected.date()))):
        found = compile_comparison(parse_type(kind), "gte", value, frame=_frame(as_of))
        assert found == WholeRanges(ranges=((low, None),))


@pytest.mark.parametrize("duration", ["100 years", "36500 days"])
def test_relative_times_outside_the_calendar_are_a_problem(duration: str) -> None:
    found = compile_comparison(parse_type("timestamp"), "gte", Ago(ago=duration), frame=_frame(50))
    assert isinstance(found, list)
    assert [(misfit.pointer, str(misfit)) for misfit in found] == [
        ("/value", "the duration leads out of the calendar, the years 1 to 9999")
    ]
    with pytest.raises(Misfit, match="out of the calendar") as caught:
        window_bounds(Window(last=duration), _frame(50))
    assert caught.value.pointer == "/last"
