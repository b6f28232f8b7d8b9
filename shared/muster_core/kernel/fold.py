"""Aggregates per customer as folds: `update` with the rows of a chunk, `finish` with one value an ordinal.

Memory is per ordinal, whatever the number of rows. Integers and
decimals are exact: int64 while a bound on the sums proves that enough, else 32-bit limbs. Doubles are added
in the order of the rows, so chunking changes nothing.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.column import Column
from muster_core.kernel.relation import largest

Index = NDArray[np.int64]
_SAFE = 1 << 62
_LOW = (1 << 32) - 1


class Accumulator(Protocol):
    """One aggregate in the making."""

    def update(self, ordinals: Index, column: Column | None, rows: Index | slice) -> None:
        """Take in rows; `ordinals` are those of `rows` of the chunk whose column is `column`."""
        ...


class Count:
    """Rows per customer."""

    def __init__(self, size: int) -> None:
        self.counts = np.zeros(size, dtype=np.int32)

    def update(self, ordinals: Index, column: Column | None, rows: Index | slice) -> None:
        """Count each row."""
        np.add.at(self.counts, ordinals, np.int32(1))

    def absorb(self, other: Count) -> None:
        """Add what was counted over other rows."""
        self.counts += other.counts


class WholeSum:
    """Exact sums of set integers or scaled decimals; `counts` of them where a mean is wanted."""

    def __init__(self, size: int, *, counted: bool) -> None:
        self.counts = np.zeros(size, dtype=np.int32) if counted else None
        self._size = size
        self._narrow = np.zeros(size, dtype=np.int64)
        self._bound = 0
        self._limbs: list[NDArray[np.int64]] | None = None

    def update(self, ordinals: Index, column: Column | None, rows: Index | slice) -> None:
        """Add each row's value."""
        assert column is not None
        ordinals, rows = set_rows(ordinals, column, rows)
        if self.counts is not None:
            np.add.at(self.counts, ordinals, np.int32(1))
        values = column.whole[rows]
        if values.dtype != object:
            bound = self._bound + largest(values) * len(values)
            if bound < _SAFE:
                self._bound = bound
                np.add.at(self._narrow, ordinals, values)
                return
            low, high = values, values >> 63
        else:
            low, high = (limb[rows] for limb in column.limbs)
        self._add_limbs(ordinals, low, high)

    def _add_limbs(self, ordinals: Index, low: Index, high: Index) -> None:
        """Add 128-bit values in four pieces of 32 bits, each far from overflowing its int64."""
        if self._limbs is None:
            self._limbs = [np.zeros(self._size, dtype=np.int64) for _ in range(4)]
        pieces = (low & _LOW, (low >> 32) & _LOW, high & _LOW, high >> 32)
        for limb, piece in zip(self._limbs, pieces, strict=True):
            np.add.at(limb, ordinals, piece)

    def absorb(self, other: WholeSum) -> None:
        """Add what was summed over other rows."""
        if self.counts is not None:
            assert other.counts is not None
            self.counts += other.counts
        bound = self._bound + other._bound
        if bound < _SAFE:
            self._bound = bound
            self._narrow += other._narrow
        else:
            everybody = np.arange(self._size)
            self._add_limbs(everybody, other._narrow, other._narrow >> 63)
        if other._limbs is not None:
            mine = self._limbs or [np.zeros_like(limb) for limb in other._limbs]
            self._limbs = [a + b for a, b in zip(mine, other._limbs, strict=True)]

    def sums(self) -> NDArray[Any]:
        """Return the sums: int64, or Python integers if they may be larger."""
        if self._limbs is None:
            return self._narrow
        total: NDArray[Any] = self._narrow.astype(object)
        for power, limb in enumerate(self._limbs):
            total = total + limb.astype(object) * (1 << (32 * power))
        return total


class FloatSum:
    """Sums of set doubles, added in row order; `counts` of them where a mean is wanted."""

    def __init__(self, size: int, *, counted: bool) -> None:
        self.counts = np.zeros(size, dtype=np.int32) if counted else None
        self.totals = np.zeros(size, dtype=np.float64)

    def update(self, ordinals: Index, column: Column | None, rows: Index | slice) -> None:
        """Add each row's value."""
        assert column is not None
        ordinals, rows = set_rows(ordinals, column, rows)
        if self.counts is not None:
            np.add.at(self.counts, ordinals, np.int32(1))
        np.add.at(self.totals, ordinals, column.floats[rows])

    def sums(self) -> NDArray[Any]:
        """Return the sums."""
        return self.totals


class Extreme:
    """The least or greatest set value, and whether there is one."""

    def __init__(self, size: int, *, least: bool, floating: bool) -> None:
        self._least = least
        self._floating = floating
        self.found = np.zeros(size, dtype=np.bool_)
        self.values: NDArray[Any] = np.full(
            size, self._worst(), np.float64 if floating else np.int64
        )

    def _worst(self) -> Any:
        if self._floating:
            return np.inf if self._least else -np.inf
        limits = np.iinfo(np.int64)
        return limits.max if self._least else limits.min

    def update(self, ordinals: Index, column: Column | None, rows: Index | slice) -> None:
        """Keep the better of what is known and each row's value."""
        assert column is not None
        ordinals, rows = set_rows(ordinals, column, rows)
        values = (column.floats if self._floating else column.whole)[rows]
        if values.dtype == object or self.values.dtype == object:
            self._update_wide(ordinals, values)
        else:
            (np.minimum if self._least else np.maximum).at(self.values, ordinals, values)
        self.found[ordinals] = True

    def absorb(self, other: Extreme) -> None:
        """Keep the better of what was found here and over other rows."""
        ordinals = np.flatnonzero(other.found)
        values = other.values[ordinals]
        if values.dtype == object or self.values.dtype == object:
            self._update_wide(ordinals, values)
        else:
            better = np.minimum if self._least else np.maximum
            self.values[ordinals] = better(self.values[ordinals], values)
        self.found[ordinals] = True

    def _update_wide(self, ordinals: Index, values: NDArray[Any]) -> None:
        """Take in decimals beyond 64 bits: rare, exact, and one at a time."""
        self.values = self.values.astype(object)
        for ordinal, value in zip(ordinals.tolist(), values.tolist(), strict=True):
            known = self.values[ordinal]
            if not self.found[ordinal] or (value < known if self._least else value > known):
                self.values[ordinal] = value
                self.found[ordinal] = True


def set_rows(ordinals: Index, column: Column, rows: Index | slice) -> tuple[Index, Index | slice]:
    """Leave out the rows whose value is not set."""
    valid = column.valid[rows]
    if valid.all():
        return ordinals, rows
    places = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    return ordinals[valid], places[valid]
