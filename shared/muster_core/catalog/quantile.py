"""A compact, exact-to-merge sketch of how the numbers of a column are spread.

Numbers are counted in buckets of ``2 ** shift`` neighbouring whole numbers. `shift` is the least at which no more
than `MOST_BUCKETS` buckets hold anything. That depends on the set of values alone: however rows are divided
among tasks and increments, merging gives the same sketch as counting them at once. Outliers take a bucket each
and do not coarsen the others.

Doubles are counted by the whole numbers that order them; their buckets are narrow near zero and wide far away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

#: A sketch is this fine, and takes a few kilobytes.
MOST_BUCKETS = 1_024

#: Chunks whose buckets span no more than so many times their rows are counted without sorting.
_DENSE = 4

_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)

Whole = NDArray[np.int64]


class Sketch(BaseModel):
    """Buckets in ascending order: the first one's number, the steps from each to the next, and rows in each.

    Bucket b holds the whole numbers from ``b << shift`` up to, but not with, ``(b + 1) << shift``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shift: int
    first: int
    steps: list[int]
    counts: list[int]


class Spread:
    """A sketch that grows: fed with arrays of numbers, and with other sketches."""

    def __init__(self) -> None:
        self._shift = 0
        self._buckets: Whole = np.zeros(0, dtype=np.int64)
        self._counts: Whole = np.zeros(0, dtype=np.int64)

    def add(self, numbers: NDArray[Any]) -> None:
        """Take in numbers: int64, or float64 without NaN."""
        if not len(numbers):
            return
        whole = ordered(numbers) if numbers.dtype == np.float64 else numbers
        buckets, counts = _counted(whole >> np.int64(self._shift))
        self._merge(self._shift, buckets, counts)

    def take(self, sketch: Sketch) -> None:
        """Take in what a sketch counted."""
        buckets = list(accumulate(sketch.steps, initial=sketch.first))
        self._merge(
            sketch.shift,
            np.array(buckets, dtype=np.int64),
            np.array(sketch.counts, dtype=np.int64),
        )

    def result(self) -> Sketch | None:
        """Return the sketch; None where there was no number."""
        if not len(self._buckets):
            return None
        buckets: list[int] = self._buckets.tolist()
        return Sketch(
            shift=self._shift,
            first=buckets[0],
            # not by NumPy: a step may be wider than its integers
            steps=[after - before for before, after in pairwise(buckets)],
            counts=self._counts.tolist(),
        )

    def _merge(self, shift: int, buckets: Whole, counts: Whole) -> None:
        coarse = max(shift, self._shift)
        both = np.concatenate(
            [self._buckets >> np.int64(coarse - self._shift), buckets >> np.int64(coarse - shift)]
        )
        order = np.argsort(both, kind="stable")
        both, summed = _joined(both[order], np.concatenate([self._counts, counts])[order])
        while len(both) > MOST_BUCKETS:
            coarse += 1
            both, summed = _joined(both >> np.int64(1), summed)
        self._shift, self._buckets, self._counts = coarse, both, summed


def merged(sketches: Iterable[Sketch]) -> Sketch | None:
    """Return the sketch of all numbers that several were made of; None where there are none."""
    spread = Spread()
    for sketch in sketches:
        spread.take(sketch)
    return spread.result()


def without(sketch: Sketch, gone: Sketch | None) -> Sketch | None:
    """Return a sketch without numbers that were counted in it; None where none is left.

    It stays as coarse as it is, although counting what is left could give a finer one.
    """
    if gone is None:
        return sketch
    left = _held(sketch)
    for bucket, count in _held(gone).items():
        left[bucket >> (sketch.shift - gone.shift)] -= count
    kept = [bucket for bucket, count in left.items() if count]
    if not kept:
        return None
    return Sketch(
        shift=sketch.shift,
        first=kept[0],
        steps=[after - before for before, after in pairwise(kept)],
        counts=[left[bucket] for bucket in kept],
    )


def _held(sketch: Sketch) -> dict[int, int]:
    buckets = accumulate(sketch.steps, initial=sketch.first)
    return dict(zip(buckets, sketch.counts, strict=True))


def percentile(sketch: Sketch, percent: float) -> tuple[int, int]:
    """Return the least and the greatest whole number that the percentile may be; the same where it is exact.

    It is the least value that at least `percent` (0 to 100) of the rows with a value do not exceed.
    """
    rank = max(1, math.ceil(sum(sketch.counts) * percent / 100))
    bucket, seen = sketch.first, 0
    for step, count in zip([0, *sketch.steps], sketch.counts, strict=True):
        bucket += step
        seen += count
        if seen >= rank:
            break
    return bucket << sketch.shift, ((bucket + 1) << sketch.shift) - 1


def ordered(doubles: NDArray[np.float64]) -> Whole:
    """Return whole numbers in the order of the doubles, which are no NaN; minus zero is zero."""
    bits: Whole = (doubles + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ _SIGN, bits)


def double_of(whole: int) -> float:
    """Return the double whose whole number this is, by `ordered`; beyond the last one infinity."""
    limit = int(ordered(np.array([np.inf]))[0])
    kept = np.array([min(max(whole, ~limit), limit)], dtype=np.int64)
    bits = np.where(kept < 0, kept ^ _SIGN, kept)
    return float(bits.view(np.float64)[0])


def _counted(buckets: Whole) -> tuple[Whole, Whole]:
    low, high = int(buckets.min()), int(buckets.max())
    if high - low < _DENSE * len(buckets):
        counts = np.bincount(buckets - np.int64(low), minlength=1)
        held = np.flatnonzero(counts)
        return held + np.int64(low), counts[held].astype(np.int64)
    found, counts = np.unique(buckets, return_counts=True)
    return found, counts.astype(np.int64)


def _joined(buckets: Whole, counts: Whole) -> tuple[Whole, Whole]:
    """Add up the counts of equal neighbours."""
    starts = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1]]))
    return buckets[starts], np.add.reduceat(counts, starts)
