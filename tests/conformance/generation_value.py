"""Values that meet: small pools for data and literals alike, full of the traps of each type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from tests.conformance.reference_time import Clock

# ruff: noqa: RUF001 - letters that look alike are the point
T = TypeVar("T")

_TEXTS = (
    *("a", "b", "A", "ab", "", "Straße", "STRASSE", "strasse", "ß", "İ", "i", "ı", "I"),
    *("ſ", "s", "😀a", "😀A", "é", "e\u0301", "ﬁ", "fi", "Σ", "ς", "σ", " a", "ΐ", "true"),
)
_WHOLES = (0, 1, 2, 3, -1, 1, 2, 10, 2**53 + 1, 2**62, -(2**63), 2**63 - 1)
_MONEY = ("0.00", "1.00", "2.50", "10.10", "10.11", "-1.00", "0.01", "99999999.99", "-99999999.99")
_WIDE = (
    "0",
    "1.0000",
    "10.1050",
    "-0.0001",
    "9007199254740993",
    "1" + "0" * 33,
    "9" * 34,
    "-" + "9" * 34,
)
#: Their sums depend on the order, which is the store's.
_RATIOS = (0.0, -0.0, 1.0, 0.5, 0.1, 0.3, -1.0, 1e16, float("inf"), float("nan"), 1024.125)
_TAGS: tuple[list[str | None], ...] = (
    [],
    [None],
    [""],
    ["a"],
    ["A", "ab"],
    ["Straße", None],
    ["b", "", "a"],
    ["İ"],
)
_SIZES: tuple[list[int | None], ...] = ([], [None], [1], [2, None], [1, 2**63 - 1], [-1, 3])
_NUMBER_LITERALS = (
    0,
    1,
    2,
    3,
    -1,
    "0.5",
    "10.1",
    "10.105",
    "2.5",
    2**53,
    10,
    "0.01",
    2**63,
    "-0.0001",
)
_DURATIONS = (
    *("1 second", "90 minutes", "24 hours", "1 day", "7 days", "2 weeks", "30 days"),
    *("1 month", "2 months", "1 quarter", "1 year", "13 months"),
)
_INSTANTS = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2026-03-29T00:30:00+00:00",  # an hour before Berlin's clocks go forward
        "2025-10-26T00:30:00+00:00",  # the first of a repeated half past two in Berlin
        "2026-03-31T12:00:00+00:00",
        "2024-02-29T23:30:00+00:00",
        "2018-11-04T03:00:00+00:00",  # Sao Paulo's missing midnight
        "2026-04-24T09:00:00+00:00",  # Cairo's missing midnight was today
        "2026-04-04T15:10:00+00:00",  # Lord Howe repeats half an hour
        "2026-01-01T00:00:00+00:00",
        "2026-06-15T09:30:00.000001+00:00",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """What is drawn from around one `as_of` in one zone."""

    clock: Clock
    moments: tuple[datetime, ...]
    days: tuple[date, ...]
    texts: tuple[str, ...] = _TEXTS

    def data(self, kind: str) -> st.SearchStrategy[Any]:
        """Return values of a column of this type, missing ones among them."""
        return st.sampled_from([*self._set(kind), None])

    def literals(self, kind: str) -> st.SearchStrategy[Any]:
        """Return literals that fit a column of this type."""
        match kind:
            case "text" | "array<text>":
                return st.sampled_from([text for text in self.texts if text] or ["a"])
            case "boolean":
                return st.booleans()
            case "date":
                return st.sampled_from([day.isoformat() for day in self.days])
            case "timestamp":
                return st.one_of(self.dates(), self.instants())
            case "array<integer>":
                return st.sampled_from([1, 2, 3, -1, 2**63 - 1])
        return st.sampled_from(_NUMBER_LITERALS)

    def dates(self) -> st.SearchStrategy[str]:
        return st.sampled_from([day.isoformat() for day in self.days])

    def instants(self) -> st.SearchStrategy[str]:
        """Return timestamp literals, with an offset or in the zone."""
        local = [m.astimezone(self.clock.zone).replace(tzinfo=None) for m in self.moments]
        return st.sampled_from([t.isoformat() for t in (*self.moments, *local)])

    def _set(self, kind: str) -> tuple[Any, ...]:
        match kind:
            case "text":
                return self.texts
            case "integer":
                return _WHOLES
            case "decimal(10,2)":
                return tuple(Decimal(text) for text in _MONEY)
            case "decimal(38,4)":
                return tuple(Decimal(text) for text in _WIDE)
            case "float":
                return _RATIOS
            case "boolean":
                return (True, False)
            case "date":
                return self.days
            case "timestamp":
                return self.moments
            case "array<text>":
                return _TAGS
        return _SIZES


durations = st.sampled_from(_DURATIONS)


@st.composite
def pools(draw: st.DrawFn, zone: str) -> Pools:
    """Draw an `as_of` and some of the times around it, so few that they meet."""
    as_of = draw(st.sampled_from(_INSTANTS))
    every = _around(Clock(as_of=as_of, zone=ZoneInfo(zone)))
    return Pools(
        clock=every.clock,
        moments=_few(draw, every.moments, 10),
        days=_few(draw, every.days, 7),
        texts=_few(draw, _TEXTS, 5),
    )


def _few(draw: st.DrawFn, every: tuple[T, ...], most: int) -> tuple[T, ...]:
    """Draw at least two of the values, none twice."""
    chosen = st.lists(st.sampled_from(every), min_size=2, max_size=most, unique=True)
    return tuple(draw(chosen))


_KNOWN: dict[Clock, Pools] = {}


def _around(clock: Clock) -> Pools:
    """Return the edges of windows, midnights, and a microsecond beside each."""
    if clock not in _KNOWN:
        today = clock.day(clock.as_of)
        edges = [clock.as_of, *(clock.ago(d) for d in _DURATIONS), clock.ahead("1 day")]
        days = {today + timedelta(days=n) for n in (-31, -30, -7, -2, -1, 0, 1, 2)}
        days |= {today.replace(day=1), today.replace(month=1, day=1), date(2024, 2, 29)}
        days |= {date(1996, 2, 29), date(2026, 2, 28), date(2027, 3, 1), date(2100, 7, 1)}
        days |= {today - timedelta(days=today.weekday()), today + timedelta(days=40)}
        days |= {clock.day(edge) for edge in edges[5:]}
        midnights = [clock.midnight(day) for day in sorted(days) if -40 < (day - today).days < 2]
        beside = timedelta(microseconds=1)
        moments = [t + n * beside for t in (*edges, *midnights) for n in (0, -1, 1)]
        moments += [datetime(2100, 7, 1, tzinfo=UTC), datetime(1950, 1, 1, tzinfo=UTC)]
        _KNOWN[clock] = Pools(clock=clock, moments=tuple(moments), days=tuple(sorted(days)))
    return _KNOWN[clock]
