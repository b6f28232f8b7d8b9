"""Rows of one customer that follow one another in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.fold import Index
from muster_core.kernel.node import SequenceFold
from muster_core.kernel.source import Bits
from muster_core.kernel.zone import DAY, Micros, zone_table

_SECOND = 1_000_000
#: The days of a month, and how far changes of the clock may move its end.
_LEAST_DAYS, _MOST_DAYS, _SLACK_DAYS = 28, 31, 2


class Sequences:
    """Whether some chain of rows passes the steps in order.

    Rows that pass any step are kept with their customer and time. From a row of one step the earliest later
    row of the next step is never worse than any other, so one search per step decides, from the last step
    back.
    """

    def __init__(self, fold: SequenceFold, size: int, *, dates: bool) -> None:
        self._fold = fold
        self._size = size
        self._dates = dates
        self._rows: list[tuple[Index, NDArray[np.int64], NDArray[np.uint8]]] = []

    def update(self, ordinals: Index, times: NDArray[np.int64], steps: list[Bits]) -> None:
        """Take in rows; `steps` says for each step which of them pass it."""
        passed = np.zeros(len(ordinals), dtype=np.uint8)
        for place, bits in enumerate(steps):
            passed |= bits.astype(np.uint8) << np.uint8(place)
        kept = np.flatnonzero(passed)
        if len(kept):
            self._rows.append((ordinals[kept].astype(np.int32), times[kept], passed[kept]))

    def finish(self) -> Bits:
        """Return which customers have such a chain."""
        found = np.zeros(self._size, dtype=np.bool_)
        if not self._rows:
            return found
        # rows came newest first
        ordinals, times, passed = (np.concatenate(p)[::-1] for p in zip(*self._rows, strict=True))
        self._rows = []
        if (times[1:] < times[:-1]).any():
            order = np.argsort(times, kind="stable")
            ordinals, times, passed = ordinals[order], times[order], passed[order]
        width = len(times).bit_length()
        keys = np.sort(ordinals.astype(np.int64) << width | np.arange(len(times)))
        order = keys & ((1 << width) - 1)
        chain = _Chain(ordinals[order], times[order], passed[order])
        begins, ends = chain.spans(len(self._fold.steps))
        inside = np.ones(len(begins), dtype=np.bool_)
        if self._fold.low is not None:
            inside &= chain.times[begins] >= self._fold.low
        if self._fold.high is not None:
            inside &= chain.times[begins] <= self._fold.high
        begins, ends = begins[inside], ends[inside]
        reached = self._reached(self._micros(chain.times[begins]), self._micros(ends))
        found[chain.ordinals[begins[reached]]] = True
        return found

    def _micros(self, times: NDArray[np.int64]) -> Micros:
        return zone_table(self._fold.zone).starts(times) if self._dates else times

    def _reached(self, first: Micros, last: Micros) -> Bits:
        """Return which last rows are not later than the time allowed after the first."""
        if not self._fold.months:
            near: Bits = last - first <= self._fold.seconds * _SECOND
            return near
        months, taken = self._fold.months, last - first
        near = taken <= (_LEAST_DAYS * months - _SLACK_DAYS) * DAY
        # only where the lengths of months decide are they asked
        rows = np.flatnonzero(~near & (taken <= (_MOST_DAYS * months + _SLACK_DAYS) * DAY))
        deadline = zone_table(self._fold.zone).shifted(first[rows], months)
        near[rows] = last[rows] <= deadline
        return near


class _Chain:
    """Rows sorted by customer and time."""

    def __init__(
        self,
        ordinals: NDArray[np.int32],
        times: NDArray[np.int64],
        passed: NDArray[np.uint8],
    ) -> None:
        self.ordinals = ordinals
        self.times = times
        self._passed = passed
        new = (ordinals[1:] != ordinals[:-1]) | (times[1:] != times[:-1])
        begins = np.append(0, np.flatnonzero(new) + 1)
        sizes = np.diff(np.append(begins, len(times)))
        #: Where the first row after each one stands that is not of the same customer and time.
        self._after = np.repeat(begins + sizes, sizes)

    def spans(self, steps: int) -> tuple[Index, NDArray[np.int64]]:
        """Return the rows of step 1 from which all steps follow, and the earliest time each can end."""
        size = len(self.times)
        everywhere = np.arange(size)
        passing = self._of(steps - 1)
        ends = self.times
        for step in range(steps - 2, -1, -1):
            marked = np.append(np.where(passing, everywhere, size), size)
            following = np.minimum.accumulate(marked[::-1])[::-1][self._after]
            passing = self._of(step) & (following < size)
            following = np.minimum(following, size - 1)
            passing &= self.ordinals[following] == self.ordinals
            ends = ends[following]
        begins = np.flatnonzero(passing)
        return begins, ends[begins]

    def _of(self, step: int) -> Bits:
        found: Bits = (self._passed & np.uint8(1 << step)) != 0
        return found
