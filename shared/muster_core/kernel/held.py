"""Since when the current value of an attribute has lasted, by its history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.fold import Index
from muster_core.kernel.source import Bits


class Held:
    """The time of the earliest row of the latest unbroken stretch of rows that pass.

    Rows come newest first, so a customer is done at the first row that does not pass.
    """

    def __init__(self, size: int) -> None:
        self.found = np.zeros(size, dtype=np.bool_)
        self.times = np.zeros(size, dtype=np.int64)
        self._done = np.zeros(size, dtype=np.bool_)
        self._breaks = np.zeros(size, dtype=np.int32)

    def update(self, ordinals: Index, times: NDArray[np.int64], passed: Bits) -> None:
        """Take in rows of the history of one column, newest first."""
        places = np.arange(len(ordinals), dtype=np.int32)
        self._breaks[ordinals] = len(ordinals)
        broken = np.flatnonzero(~passed)[::-1]
        self._breaks[ordinals[broken]] = places[broken]  # the first break of each is assigned last
        unbroken = passed & ~self._done[ordinals] & (places < self._breaks[ordinals])
        rows = np.flatnonzero(unbroken)
        self.times[ordinals[rows]] = times[rows]  # the oldest is assigned last
        self.found[ordinals[rows]] = True
        self._done[ordinals[broken]] = True
