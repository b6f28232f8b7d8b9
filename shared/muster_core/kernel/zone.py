"""Local calendars of whole arrays: instants to local dates and back, without a call per value.

A zone becomes a table of its transitions, found by asking `zoneinfo`; no other database is read. It agrees
with `muster_core.rules.instant` on every instant: a local time in a gap moves forward by the gap, a repeated
one is the first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from muster_core.rules.instant import EPOCH
from muster_core.schedules.zone import read_zone

Micros = NDArray[np.int64]
Days = NDArray[np.int64]

DAY = 86_400_000_000
_SECOND = 1_000_000
#: After 400 years dates, weekdays and yearly rules repeat.
_CYCLE = 146_097 * DAY
#: Zones keep local mean time before the first year; after the second only yearly rules are left.
_HISTORY = (datetime(1850, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC))
_LAST = datetime(2440, 1, 1, tzinfo=UTC)
#: Historic offsets may last for days only; yearly rules keep them for weeks.
_STEPS = (timedelta(days=1), timedelta(days=7))


class ZoneTable:
    """The offsets of one zone and the instants they begin at, in microseconds since 1970."""

    def __init__(self, zone: ZoneInfo) -> None:
        begins, offsets = _transitions(zone)
        #: Offset i holds before `_begins[i]`, the last one ever after.
        self._begins = np.array(begins, dtype=np.int64)
        self._offsets = np.array(offsets, dtype=np.int64)
        before, after = self._offsets[:-1], self._offsets[1:]
        self._switches = self._begins + np.maximum(before, after)
        self._gaps = self._begins + before
        self._top = _micros(_LAST) - DAY  # a local time of the last day may belong to the next

    def local(self, instants: Micros) -> Micros:
        """Return wall-clock times as microseconds since 1970-01-01 00:00 on the wall."""
        known, _ = self._folded(instants)
        found: Micros = instants + self._offsets[np.searchsorted(self._begins, known, "right")]
        return found

    def instants(self, local: Micros) -> Micros:
        """Return the instants of wall-clock times: in a gap moved by it, repeated ones the first."""
        known, _ = self._folded(local)
        found: Micros = local - self._offsets[np.searchsorted(self._switches, known, "right")]
        return found

    def days(self, instants: Micros) -> Days:
        """Return local dates as days since 1970."""
        return self.local(instants) // DAY

    def starts(self, days: Days) -> Micros:
        """Return the first instant of each local day, also where its midnight does not exist."""
        midnight = days * DAY
        found = self.instants(midnight)
        lost = np.flatnonzero(self.local(found) != midnight)
        if len(lost):
            known, moved = self._folded(midnight[lost])
            found[lost] = self._begins[np.searchsorted(self._gaps, known, "right") - 1] + moved
        return found

    def shifted(self, instants: Micros, months: int) -> Micros:
        """Return instants moved forward by calendar months, clamped to the month's end."""
        local = self.local(instants)
        days = local // DAY
        month = month_of(days) + months
        first = first_days(month)
        day = np.minimum(days - first_days(month - months), first_days(month + 1) - first - 1)
        return self.instants((first + day) * DAY + (local - days * DAY))

    def _folded(self, micros: Micros) -> tuple[Micros, Micros]:
        """Return times moved back by whole cycles into the table, and by how much."""
        cycles = np.maximum((micros - self._top) // _CYCLE + 1, 0) * _CYCLE
        return micros - cycles, cycles


@lru_cache(maxsize=64)
def zone_table(name: str) -> ZoneTable:
    """Return the table of the zone called `name`, made once a process."""
    return ZoneTable(read_zone(name))


def month_of(days: Days) -> NDArray[np.int64]:
    """Return months since January 1970."""
    found: NDArray[np.int64] = days.astype("M8[D]").astype("M8[M]").astype(np.int64)
    return found


def first_days(months: NDArray[np.int64]) -> Days:
    """Return the first day of each month, in days since 1970."""
    found: Days = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    return found


def _transitions(zone: ZoneInfo) -> tuple[list[int], list[int]]:
    begins: list[int] = []
    offsets = [_offset(_HISTORY[0], zone)]
    here = _HISTORY[0]
    for until, step in zip((_HISTORY[1], _LAST), _STEPS, strict=True):
        while here < until:
            after = here + step
            while _offset(after, zone) != offsets[-1]:
                here = _change(here, after, zone)
                begins.append(_micros(here))
                offsets.append(_offset(here, zone))
            here = after
    return begins, offsets


def _change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second in (early, late] whose offset is not that of `early`."""
    known = _offset(early, zone)
    low, high = 0, (late - early) // timedelta(seconds=1)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(early + timedelta(seconds=middle), zone) == known:
            low = middle
        else:
            high = middle
    return early + timedelta(seconds=high)


def _offset(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
