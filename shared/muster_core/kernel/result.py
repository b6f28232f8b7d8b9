"""Predicates on finished aggregates: which customers pass."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.catalog.type import Kind, parse_type
from muster_core.kernel.column import Column
from muster_core.kernel.distinct import DistinctCount
from muster_core.kernel.filter import in_ranges, passing
from muster_core.kernel.fold import (
    Accumulator,
    Count,
    Extreme,
    FloatSum,
    WholeSum,
)
from muster_core.kernel.held import Held
from muster_core.kernel.node import (
    AnyFold,
    Fold,
    HeldFold,
    LastRowFold,
    PeriodsFold,
    SequenceFold,
)
from muster_core.kernel.number import Numbers
from muster_core.kernel.period import Periods
from muster_core.kernel.pick import Earliest, Latest, Ordered
from muster_core.kernel.relation import largest
from muster_core.kernel.sequence import Sequences
from muster_core.kernel.source import Bits
from muster_core.lake.conversion import arrow_type
from muster_core.rules.predicate import (
    Anniversary,
    CalendarPart,
    FloatRanges,
    IsSet,
    Predicate,
    ScaledRanges,
    WholeRanges,
)

_SAFE = 1 << 62

AnyAccumulator = Accumulator | Latest | Earliest | Ordered | Sequences | Periods | Held


class Result(Protocol):
    """A finished fold: one value per ordinal, and who has one."""

    def passing(self, predicate: Predicate) -> Bits:
        """Return who passes; without a value nobody does, whether the predicate is negated or not."""
        ...

    def numbers(self) -> Numbers:
        """Return the values as numbers that can be compared and ranked."""
        ...


def make_accumulator(fold: AnyFold, size: int, *, dates: bool, ties: int) -> AnyAccumulator:
    """Return the empty accumulator of a fold; `dates` says what the table's time is.

    `ties` is the number of columns that order rows of equal ordering value.
    """
    match fold:
        case Fold(function="first" | "last"):
            return _picker(fold, size, ties)
        case Fold():
            return _aggregate(fold, size)
        case LastRowFold():
            return Latest(size, pa.bool_())
        case SequenceFold():
            return Sequences(fold, size, dates=dates)
        case PeriodsFold():
            return Periods(fold, size)
        case HeldFold():
            return Held(size)


def _picker(fold: Fold, size: int, ties: int) -> Latest | Earliest | Ordered:
    assert fold.kind is not None
    kind = arrow_type(parse_type(fold.kind))
    latest = fold.function == "last"
    if fold.order_by is not None:
        return Ordered(size, kind, latest=latest, ties=ties)
    return Latest(size, kind) if latest else Earliest(size, kind)


def _aggregate(fold: Fold, size: int) -> Accumulator:
    floating = fold.kind is not None and parse_type(fold.kind).kind is Kind.FLOAT
    match fold.function:
        case "count_distinct":
            return DistinctCount(size)
        case "sum" | "avg":
            kind = FloatSum if floating else WholeSum
            return kind(size, counted=fold.function == "avg")
        case "min" | "max":
            return Extreme(size, least=fold.function == "min", floating=floating)
        case _:
            return Count(size)


def finish(fold: AnyFold, accumulator: Any) -> Result:
    """Return the result of a fold whose rows have all been taken in."""
    match fold, accumulator:
        case Fold(kind=str(kind)), Latest() | Earliest() | Ordered():
            return Picked(Column(accumulator.finish(), parse_type(kind)))
        case Fold(), _:
            return Aggregated(fold, accumulator)
        case LastRowFold(), Latest():
            return Decided(accumulator.finish().fill_null(False).to_numpy(zero_copy_only=False))
        case HeldFold(), Held():
            return Since(accumulator)
        case _:
            return Decided(accumulator.finish())


class Decided:
    """A fold that says whether, for each customer."""

    def __init__(self, passed: Bits) -> None:
        self._passed = passed

    def passing(self, predicate: Predicate) -> Bits:
        """Return who it is true of."""
        assert predicate == IsSet()
        return self._passed

    def numbers(self) -> Numbers:
        """Refuse: whether is no number."""
        raise AssertionError("a fold that only says whether is not compared")


class Since:
    """Since when a value has been held, for those who hold it."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def passing(self, predicate: Predicate) -> Bits:
        """Return whose time lies in the ranges."""
        assert isinstance(predicate, WholeRanges)
        return in_ranges(predicate.ranges, self._held.times) & self._held.found

    def numbers(self) -> Numbers:
        """Return the times."""
        return Numbers(values=self._held.times, exists=self._held.found)


class Picked:
    """The value in one row of each customer, of any type."""

    def __init__(self, column: Column) -> None:
        self._column = column

    def passing(self, predicate: Predicate) -> Bits:
        """Return who has a value that passes."""
        return passing(predicate, self._column, _no_other) & self._column.valid

    def numbers(self) -> Numbers:
        """Return the values as numbers."""
        return column_numbers(self._column)


def column_numbers(column: Column) -> Numbers:
    """Return a column's values as numbers; times are numbers too."""
    floating = column.kind.kind is Kind.FLOAT
    values = column.floats if floating else column.whole
    return Numbers(values=values, exists=column.valid, scale=column.kind.scale)


def _no_other(name: str, kind: str) -> Column:
    raise AssertionError("the value of a row is compared with literals only")


class Aggregated:
    """A finished aggregate: one number or time per ordinal, and who has one."""

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
                    assert accumulator.counts is not None
                    self.exists = accumulator.counts > 0
            case Extreme():
                self._values, self.exists = accumulator.values, accumulator.found
        if isinstance(accumulator, FloatSum) and accumulator.counts is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                self._values = accumulator.totals / accumulator.counts
        counted = isinstance(accumulator, Count | DistinctCount)
        self._kind = parse_type(fold.kind or Kind.INTEGER)
        self._scale = 0 if counted else self._kind.scale

    def numbers(self) -> Numbers:
        """Return the values; an exact mean is a sum over a count."""
        exists = np.ones(len(self._values), dtype=np.bool_) if self.exists is None else self.exists
        if self._values.dtype == np.float64:
            return Numbers(values=self._values, exists=exists & ~np.isnan(self._values))
        counts = self._counts if self._mean else None
        return Numbers(values=self._values, exists=exists, scale=self._scale, counts=counts)

    def passing(self, predicate: Predicate) -> Bits:
        """Return who passes; without a value nobody does, whether the predicate is negated or not."""
        match predicate:
            case IsSet():
                positive = np.ones(len(self._values), dtype=np.bool_)
            case WholeRanges() | FloatRanges():
                positive = in_ranges(predicate.ranges, self._values)
            case ScaledRanges():
                positive = self._mean_in(predicate)
            case CalendarPart() | Anniversary():
                plain = predicate.model_copy(update={"negate": False})
                positive = passing(plain, self._times(), _no_other)
            case _:
                raise AssertionError("aggregates yield numbers and times")
        found = ~positive if predicate.negate else positive
        if isinstance(self._values, np.ndarray) and self._values.dtype == np.float64:
            found = found & ~np.isnan(self._values)
        return found if self.exists is None else found & self.exists

    def _times(self) -> Column:
        """Return the least or greatest times as a column; whatever stands where there is none."""
        values = self._values if self.exists is None else np.where(self.exists, self._values, 0)
        width = pa.int32() if self._kind.kind is Kind.DATE else pa.int64()
        return Column(pa.array(values).cast(width).cast(arrow_type(self._kind)), self._kind)

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
            and max(largest(sums), 1) * left < _SAFE
            and max(largest(counts), 1) * abs(right) < _SAFE
        )
        if not narrow:
            sums, counts = sums.astype(object), counts.astype(object)
        difference = sign * (sums * left - counts * right)
        found = difference >= 0 if included else difference > 0
        return np.asarray(found, dtype=np.bool_)
