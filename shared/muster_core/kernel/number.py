"""Numbers per customer, exact where their types are: comparing two of them, and ordering one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.relation import compared, largest
from muster_core.kernel.source import Bits

_SAFE = 1 << 62
#: Doubles of two exact numbers that differ by more than this share of them are in the right order.
_APART = 1e-9
_MASK = (1 << 64) - 1
_HALF = np.int64(32)
#: Doubles hold whole numbers up to here exactly, so that the quotient of two is the nearest double.
_EXACT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """``values / 10**scale / counts`` where `exists`; integers are exact, doubles have neither."""

    values: NDArray[Any]
    exists: Bits
    scale: int = 0
    #: How many values were summed, where the number is their exact mean.
    counts: NDArray[Any] | None = None

    @property
    def floating(self) -> bool:
        """Whether these are doubles."""
        return bool(self.values.dtype == np.float64)

    def rough(self) -> NDArray[np.float64]:
        """Return doubles that are off by a few units in the last place at most."""
        found: NDArray[np.float64] = self.values.astype(np.float64)
        if self.scale:
            found = found / 10.0**self.scale
        return found if self.counts is None else found / np.maximum(self.counts, 1)

    def nearest(self, times: tuple[int, int] = (1, 0)) -> NDArray[np.float64]:
        """Return doubles of the numbers times a decimal: the nearest ones where the numbers are exact."""
        whole, digits = times
        if self.floating:
            found: NDArray[np.float64] = self.values * (whole / 10**digits)
            return found
        power = 10 ** (self.scale + digits)
        below = 1 if self.counts is None else max(largest(self.counts), 1)
        above = max(largest(self.values), 1) * max(abs(whole), 1)
        if above <= _EXACT and below * power <= _EXACT:
            parts = np.maximum(1 if self.counts is None else self.counts.astype(np.int64), 1)
            return (self.values * np.int64(whole)).astype(np.float64) / (parts * np.int64(power))
        # Python divides integers of any size to the nearest double.
        dividends = (self.values.astype(object) * whole).tolist()
        divisors = [power] * len(dividends)
        if self.counts is not None:
            divisors = [power * max(int(count), 1) for count in self.counts]
        pairs = zip(dividends, divisors, strict=True)
        return np.array([above / below for above, below in pairs], dtype=np.float64)


def related_numbers(left: Numbers, relation: str, right: Numbers, times: tuple[int, int]) -> Bits:
    """Return where both exist and `left` stands in `relation` to `right` times a decimal, exactly.

    With doubles on a side the other one becomes a double too, as a literal would.
    """
    both = left.exists & right.exists
    whole, digits = times
    if left.floating or right.floating:
        return _held(left.nearest(), right.nearest(times), relation) & both
    one, two = left.rough(), right.rough() * (whole / 10**digits)
    found = _held(one, two, relation)
    with np.errstate(invalid="ignore"):
        near = np.abs(one - two) <= _APART * np.maximum(np.abs(one), np.abs(two))
    close = np.flatnonzero(both & near)
    if len(close):
        found[close] = _held(*_exact(left, right, times, close), relation)
    return found & both


def _exact(
    left: Numbers, right: Numbers, times: tuple[int, int], rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return whole numbers that stand to each other as the two sides do."""
    whole, digits = times
    shift = right.scale + digits - left.scale
    return (
        _product(left.values[rows], _at(right.counts, rows), 10 ** max(shift, 0)),
        _product(right.values[rows], _at(left.counts, rows), whole * 10 ** max(-shift, 0)),
    )


def _at(counts: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    return None if counts is None else counts[rows].astype(np.int64)


def _product(values: NDArray[Any], counts: NDArray[np.int64] | None, factor: int) -> NDArray[Any]:
    """Return values x counts x factor, as Python integers only where int64 could overflow."""
    bound = largest(values) * abs(factor) * (1 if counts is None else largest(counts))
    kind: Any = np.int64 if bound < _SAFE else object
    found: NDArray[Any] = values.astype(kind) * (factor if kind is object else np.int64(factor))
    return found if counts is None else found * counts.astype(kind)


def _held(one: NDArray[Any], two: Any, relation: str) -> Bits:
    return ~compared(one, two, "eq") if relation == "ne" else compared(one, two, relation)


def sortable_words(
    numbers: Numbers, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the numbers of `rows` as words that sort like them: signed, then two unsigned ones.

    Whole numbers are their 192 bits, enough for any sum; an exact mean is the 128 bits of its floor and 64
    of its fraction, which tell any two means of up to 2**31 values apart; doubles are bits that rise with
    them.
    """
    values = numbers.values[rows]
    none = np.zeros(len(rows), dtype=np.uint64)
    if numbers.floating:
        bits = (values + 0.0).view(np.int64)  # no negative zero
        rising = bits ^ ((bits >> np.int64(63)) & np.int64(np.iinfo(np.int64).max))
        return rising, none, none
    if numbers.counts is None:
        return _thirds(values)
    counts = numbers.counts[rows].astype(np.int64)
    if values.dtype == object:
        pairs = [divmod(int(v), int(c)) for v, c in zip(values, counts, strict=True)]
        quotient = np.array([q for q, _ in pairs], dtype=object)
        rest = np.array([r for _, r in pairs], dtype=np.int64)
    else:
        quotient, rest = np.divmod(values, counts)
    return *_halves(quotient), _fraction(rest, counts)


def _thirds(
    values: NDArray[Any],
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the 192 bits of whole numbers in two's complement, highest first."""
    if values.dtype != object:
        high, low = _halves(values)
        return high, high.view(np.uint64), low
    upper = [int(v) >> 64 for v in values]
    low = np.array([int(v) & _MASK for v in values], dtype=np.uint64)
    return *_halves(np.array(upper, dtype=object)), low


def _halves(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the high and low 64 bits of whole numbers in two's complement."""
    if values.dtype != object:
        plain = values.astype(np.int64)
        return plain >> np.int64(63), plain.view(np.uint64)
    high = np.array([int(v) >> 64 for v in values], dtype=np.int64)
    low = np.array([int(v) & _MASK for v in values], dtype=np.uint64)
    return high, low


def _fraction(rest: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return ``floor(rest / counts * 2**64)`` for 0 <= rest < counts < 2**31, by two long divisions."""
    first, remainder = np.divmod(rest << _HALF, counts)
    second = (remainder << _HALF) // counts
    return (first.view(np.uint64) << np.uint64(32)) | second.view(np.uint64)
