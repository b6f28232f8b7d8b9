"""How many different values each customer has.

Pairs of customer and value become single numbers that are sorted; memory is per distinct pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.catalog.type import Kind
from muster_core.kernel.column import Column
from muster_core.kernel.fold import Index, set_rows

#: Pairs are reduced whenever this many are waiting, or as many as are known already.
_WAITING_PAIRS = 4_000_000
#: Up to this many possible pairs each has a flag instead of being sorted.
_FLAGS = 1 << 25
#: Decimals of more digits may not fit into 64 bits.
_NARROW_DIGITS = 18
_BITS = 63


class DistinctCount:
    """Counts the different set values of each customer, exactly."""

    def __init__(self, size: int) -> None:
        self._size = size
        #: Distinct texts (or wide decimals), whose places stand for them.
        self._texts: Any = None
        self._waiting: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        self._new_texts: list[Any] = []
        self._new_from = 0
        self._rows = 0
        self._known = 0

    def update(self, ordinals: Index, column: Column | None, rows: Index | slice) -> None:
        """Take in each row's value."""
        assert column is not None
        ordinals, rows = set_rows(ordinals, column, rows)
        if not len(ordinals):
            return
        self._waiting.append((ordinals.astype(np.int32), self._values(column, rows)))
        self._rows += len(ordinals)
        if self._rows - self._known >= max(_WAITING_PAIRS, self._known):
            self._reduce()

    def _reduce(self) -> None:
        """Keep each pair once."""
        owners, values = self._pairs()
        names = None
        packed, bits, low = _packed(owners, values, self._size)
        if packed is None:
            values, names = _encoded(values)
            packed, bits, low = _packed(owners, values, self._size)
            assert packed is not None
        kept = _unique(packed)
        values = (kept & ((1 << bits) - 1)) + low
        values = values if names is None else names[values]
        self._waiting = [((kept >> bits).astype(np.int32), values)]
        self._rows = self._known = len(kept)

    def _values(self, column: Column, rows: Index | slice) -> NDArray[np.int64]:
        """Return whole numbers that are equal exactly where the values are."""
        kind = column.kind
        match kind.kind:
            case Kind.TEXT:
                return self._placed(column.dictionary, column.codes[rows])
            case Kind.FLOAT:
                bits: NDArray[np.int64] = (column.floats[rows] + 0.0).view(np.int64)
                return bits  # without a negative zero
            case Kind.BOOLEAN:
                return column.truths[rows].astype(np.int64)
            case Kind.DECIMAL if kind.precision > _NARROW_DIGITS:
                places = pa.array(np.arange(len(column))[rows])
                encoded = column.array.take(places).dictionary_encode()
                return self._placed(encoded.dictionary, encoded.indices.to_numpy())
        whole: NDArray[np.int64] = column.whole[rows]
        return whole

    def _placed(self, distinct: Any, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Return the values' places among all that came so far; equal ones of other chunks differ yet."""
        used = np.zeros(len(distinct), dtype=np.bool_)
        used[codes] = True
        places = np.cumsum(used) - 1 + self._new_from
        self._new_texts.append(distinct.filter(pa.array(used)))
        self._new_from += len(self._new_texts[-1])
        found: NDArray[np.int64] = places[codes]
        return found

    def _pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        owners, values = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = []
        if self._new_texts:
            texts = [] if self._texts is None else [self._texts]
            joined = pa.concat_arrays([*texts, *self._new_texts]).dictionary_encode()
            # the first of equal texts gives the place, so those known before keep theirs
            values = joined.indices.to_numpy()[values].astype(np.int64)
            self._texts, self._new_texts = joined.dictionary, []
            self._new_from = len(self._texts)
        return owners, values

    @property
    def counts(self) -> NDArray[Any]:
        """Return the number of distinct values per customer."""
        if not self._waiting:
            return np.zeros(self._size, dtype=np.int64)
        owners, values = self._pairs()
        self._waiting = [(owners, values)]
        packed, bits, _ = _packed(owners, values, self._size)
        if packed is None:
            packed, bits, _ = _packed(owners, _encoded(values)[0], self._size)
            assert packed is not None
        if self._size << bits <= _FLAGS:
            flags = np.zeros(self._size << bits, dtype=np.bool_)
            flags[packed] = True
            found = np.flatnonzero(flags) >> bits
        else:
            found = _unique(packed) >> bits
        return np.bincount(found, minlength=self._size)


def _packed(
    owners: NDArray[np.int32], values: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64] | None, int, int]:
    """Return pairs as single numbers, how many bits of these are the value, and the least value."""
    low, high = int(values.min()), int(values.max())
    bits = (high - low).bit_length()
    if bits + size.bit_length() > _BITS:
        return None, bits, low
    return owners.astype(np.int64) << bits | (values - low), bits, low


def _unique(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    ordered = np.sort(numbers)
    found: NDArray[np.int64] = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return found


def _encoded(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return values that are too far apart as small numbers, and what each of these stands for."""
    joined = pa.array(values).dictionary_encode()
    return joined.indices.to_numpy().astype(np.int64), joined.dictionary.to_numpy()
