"""Sets of numbers as lists of intervals, to tell whether several leave anything in common.

An end is (number, 0), or (number, 1) just above it and (number, -1) just below it; None is an open side.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

End = tuple[Any, int]
Interval = tuple[End | None, End | None]
Intervals = list[Interval]


def intervals(ranges: Iterable[tuple[Any, Any]]) -> Intervals:
    """Return ranges whose ends are included as rising intervals that do not overlap."""
    found: Intervals = [
        (None if low is None else (low, 0), None if high is None else (high, 0))
        for low, high in ranges
        if low is None or high is None or low <= high
    ]
    return _united(found)


def _united(found: Intervals) -> Intervals:
    rising = sorted(found, key=lambda one: (one[0] is not None, one[0] or (0, 0)))
    united: Intervals = []
    for low, high in rising:
        if united and _reaches(united[-1][1], low):
            united[-1] = (united[-1][0], _later(united[-1][1], high))
        else:
            united.append((low, high))
    return united


def _reaches(high: End | None, low: End | None) -> bool:
    return high is None or low is None or low <= high


def _later(one: End | None, other: End | None) -> End | None:
    return None if one is None or other is None else max(one, other)


def common(one: Intervals, other: Intervals) -> Intervals:
    """Return what two rising lists have in common."""
    found: Intervals = []
    i = j = 0
    while i < len(one) and j < len(other):
        (low, high), (least, most) = one[i], other[j]
        begin = least if low is None else low if least is None else max(low, least)
        end = most if high is None else high if most is None else min(high, most)
        if begin is None or end is None or begin <= end:
            found.append((begin, end))
        if high is None or (most is not None and most < high):
            j += 1
        else:
            i += 1
    return found


def complement(ranges: Intervals) -> Intervals:
    """Return everything outside a rising list."""
    found: Intervals = []
    begin: End | None = None
    for low, high in ranges:
        if low is not None:
            found.append((begin, (low[0], low[1] - 1)))
        if high is None:
            return found
        begin = (high[0], high[1] + 1)
    found.append((begin, None))
    return found


def discrete(ranges: Intervals) -> Intervals:
    """Return the intervals that hold a whole number."""
    return [
        (low, high)
        for low, high in ranges
        if low is None or high is None or low[0] + max(low[1], 0) <= high[0] + min(high[1], 0)
    ]
