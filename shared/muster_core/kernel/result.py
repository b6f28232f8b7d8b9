"""Predicates on finished aggregates: which customers pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from muster_core.catalog.type import Kind, parse_type
from muster_core.kernel.filter import in_ranges
from muster_core.kernel.fold import (
    Accumulator,
    Count,
    DistinctCount,
    Extreme,
    FloatSum,
    WholeSum,
)
from muster_core.kernel.node import Fold
from muster_core.kernel.relation import largest
from muster_core.kernel.source import Bits
from muster_core.rules.predicate import FloatRanges, IsSet, Predicate, ScaledRanges, WholeRanges

_SAFE = 1 << 62


def make_accumulator(fold: Fold, size: int) -> Accumulator:
    """Return the empty accumulator of an aggregate."""
    floating = fold.kind is not None and parse_type(fold.kind).kind is Kind.FLOAT
    match fold.function:
        case "count" | "exists":
            return Count(size)
        case "count_distinct":
            return DistinctCount(size)
        case "sum" | "avg":
            return FloatSum(size) if floating else WholeSum(size)
        case "min" | "max":
            return Extreme(size, least=fold.function == "min", floating=floating)


class Result:
    """A finished aggregate: one value per ordinal, and who has one."""

    def __init__(self, fold: Fold, accumulator: Accumulator) -> None:
        self._mean = fold.function == "avg"
        self.exists: Bits | None = None
        self._counts: NDArray[Any] | None = None
        match accumulator:
            case Count() | DistinctCount():
                self._values: NDArray[Any] = accumulator.counts
            case WholeSum() | FloatSum():
                self._values = accumulator.sums()
                self._counts = accumulator.counts
                if self._mean:
                    self.exists = accumulator.counts > 0
            case Extreme():
                self._values, self.exists = accumulator.values, accumulator.found
        if self._mean and isinstance(accumulator, FloatSum):
            with np.errstate(divide="ignore", invalid="ignore"):
                self._values = accumulator.totals / accumulator.counts
        self._scale = parse_type(fold.kind).scale if fold.kind else 0

    def passing(self, predicate: Predicate) -> Bits:
        """Return who passes; without a value nobody does, whether the predicate is negated or not."""
        match predicate:
            case IsSet():
                positive = np.ones(len(self._values), dtype=np.bool_)
            case WholeRanges() | FloatRanges():
                positive = in_ranges(predicate.ranges, self._values)
            case ScaledRanges():
                positive = self._mean_in(predicate)
            case _:
                raise AssertionError("aggregates yield numbers and times")
        found = ~positive if predicate.negate else positive
        if isinstance(self._values, np.ndarray) and self._values.dtype == np.float64:
            found = found & ~np.isnan(self._values)
        return found if self.exists is None else found & self.exists

    def _mean_in(self, predicate: ScaledRanges) -> Bits:
        passed = np.zeros(len(self._values), dtype=np.bool_)
        for low, high in predicate.ranges:
            inside = np.ones(len(self._values), dtype=np.bool_)
            if low is not None:
                inside &= self._beyond(*low, sign=1)
            if high is not None:
                inside &= self._beyond(*high, sign=-1)
            passed |= inside
        return passed

    def _beyond(self, whole: int, scale: int, included: bool, *, sign: int) -> Bits:
        """Return whose mean is at or beyond a bound, upwards (`sign` 1) or downwards (-1).

        sum / count >= whole / 10^scale is asked as sum * 10^a >= whole * 10^b * count, exactly.
        """
        assert self._counts is not None
        digits = scale - self._scale
        left, right = 10 ** max(digits, 0), whole * 10 ** max(-digits, 0)
        sums, counts = self._values, self._counts.astype(np.int64)
        narrow = (
            sums.dtype != object
            and largest(sums) * left < _SAFE
            and largest(counts) * abs(right) < _SAFE
        )
        if not narrow:
            sums, counts = sums.astype(object), counts.astype(object)
        difference = sign * (sums * left - counts * right)
        found = difference >= 0 if included else difference > 0
        return np.asarray(found, dtype=np.bool_)
