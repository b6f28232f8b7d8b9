"""Row counts of equal periods, and in how many of them the count passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.filter import in_ranges
from muster_core.kernel.fold import Index
from muster_core.kernel.node import PeriodsFold
from muster_core.kernel.source import Bits
from muster_core.rules.predicate import WholeRanges

#: Up to this many counters stand side by side (64 MB); beyond, only those that are not 0 are kept.
_DENSE = 16_000_000
#: Rows are counted together whenever this many are waiting, or as many as there are counters.
_WAITING_ROWS = 4_000_000


class Periods:
    """Counts rows by customer and period; an empty period counts 0, which may pass."""

    def __init__(self, fold: PeriodsFold, size: int) -> None:
        self._fold = fold
        self._size = size
        self._rising = np.array(fold.edges[::-1], dtype=np.int64)
        self._periods = len(fold.edges) - 1
        cells = size * self._periods
        self._counts = np.zeros(cells, dtype=np.int32) if cells <= _DENSE else None
        self._cells = np.zeros(0, dtype=np.int64)
        self._known = np.zeros(0, dtype=np.int64)
        self._waiting: list[NDArray[np.int64]] = []
        self._rows = 0

    def update(self, ordinals: Index, times: NDArray[np.int64]) -> None:
        """Count rows, all of which lie between the first and the last edge."""
        periods = np.searchsorted(self._rising, times, "left") - 1
        cells = ordinals.astype(np.int64) * self._periods + periods
        if self._counts is not None:
            np.add.at(self._counts, cells, np.int32(1))
            return
        self._waiting.append(cells)
        self._rows += len(cells)
        if self._rows > max(_WAITING_ROWS, len(self._cells)):
            self._reduce()

    def finish(self) -> Bits:
        """Return for which customers enough periods pass."""
        if self._counts is not None:
            passed = self._passing(self._counts).reshape(self._size, self._periods)
            number = passed.sum(axis=1)
        else:
            self._reduce()
            owners = self._cells // self._periods
            passed = self._passing(self._known)
            number = np.bincount(owners[passed], minlength=self._size)
            if self._passing(np.zeros(1, dtype=np.int64))[0]:
                number += self._periods - np.bincount(owners, minlength=self._size)
        enough: Bits = number >= self._fold.at_least
        return enough

    def _passing(self, counts: NDArray[np.int64] | NDArray[np.int32]) -> Bits:
        predicate = self._fold.predicate
        if not isinstance(predicate, WholeRanges):  # `is_set`: a count always is
            return np.full(len(counts), not predicate.negate)
        found = in_ranges(predicate.ranges, counts)
        return ~found if predicate.negate else found

    def _reduce(self) -> None:
        if not self._waiting:
            return
        cells = np.sort(np.concatenate(self._waiting))
        begins = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
        counts = np.diff(np.append(begins, len(cells)))
        cells = cells[begins]
        if len(self._cells):
            joined, places = np.unique(np.concatenate([self._cells, cells]), return_inverse=True)
            total = np.zeros(len(joined), dtype=np.int64)
            np.add.at(total, places, np.concatenate([self._known, counts]))
            cells, counts = joined, total
        self._cells, self._known = cells, counts
        self._waiting, self._rows = [], 0
