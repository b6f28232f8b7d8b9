"""Finding the rows of a dimension by key: an index made once, then asked chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.lake.key import hash_texts, key_text

Places = NDArray[np.int32]

#: A table with one place for every number between the smallest and the largest key is made where it has
#: at most this many places per key (and always up to `_ALWAYS`).
_SPREAD = 8
_ALWAYS = 65_536

#: Up to this many text keys Arrow's own lookup, which hashes all of them at each call, is the faster.
_FEW_TEXTS = 4_096


class KeyIndex:
    """Where each key of a dimension is; keys are unique where they are set.

    Whole-number keys are gathered from a table of places where they are dense, else found by bisection;
    texts and decimals are found by hash, and the text itself is compared.
    """

    def __init__(self, keys: Any) -> None:
        """Take the key column of a dimension, an Arrow array in a store type."""
        self._keys = _joined(keys)
        self._whole = pa.types.is_integer(self._keys.type) or pa.types.is_date(self._keys.type)
        if self._whole:
            self._index_whole()
        else:
            self._index_texts()

    def find(self, values: Any) -> Places:
        """Return the place of the row each value refers to; -1 where it is missing or unknown."""
        values = _joined(values)
        if pa.types.is_dictionary(values.type):
            # every distinct value of a chunk is looked up once
            places = self.find(values.dictionary)
            gathered = np.append(places, np.int32(-1))
            codes = values.indices.fill_null(len(places)).to_numpy(zero_copy_only=False)
            found: Places = gathered[codes]
            return found
        return self._find_whole(values) if self._whole else self._find_texts(values)

    def _index_whole(self) -> None:
        set_ = self._keys.is_valid().to_numpy(zero_copy_only=False)
        numbers = _numbers(self._keys)
        places = np.flatnonzero(set_).astype(np.int32)
        numbers = numbers[set_]
        self._dense: Places | None = None
        if len(numbers):
            self._low, high = int(numbers.min()), int(numbers.max())
            width = high - self._low + 1
            if width <= max(_ALWAYS, _SPREAD * len(numbers)):
                self._dense = np.full(width + 1, -1, dtype=np.int32)
                self._dense[numbers - self._low] = places
                return
        order = np.argsort(numbers, kind="stable")
        self._sorted, self._places = numbers[order], places[order]

    def _find_whole(self, values: Any) -> Places:
        numbers = _numbers(values)
        missing = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
        if self._dense is not None:
            last = len(self._dense) - 1  # the place of everything that is no key
            # compared before the subtraction, which could leave int64
            inside = (numbers >= self._low) & (numbers < self._low + last)
            if missing is not None:
                inside &= ~missing
            return self._dense[np.where(inside, numbers - self._low, last)]
        if not len(self._sorted):
            return np.full(len(numbers), -1, dtype=np.int32)
        at = np.minimum(np.searchsorted(self._sorted, numbers), len(self._sorted) - 1)
        found = self._sorted[at] == numbers
        if missing is not None:
            found &= ~missing
        return np.where(found, self._places[at], np.int32(-1))

    def _index_texts(self) -> None:
        self._texts = key_text(self._keys)
        if len(self._texts) <= _FEW_TEXTS:
            return
        set_ = np.flatnonzero(self._texts.is_valid().to_numpy(zero_copy_only=False))
        hashes = hash_texts(self._texts)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._places = hashes[order], set_[order].astype(np.int32)
        repeated = self._hashes[1:] == self._hashes[:-1]
        # texts that share a hash, a one in 2^64 chance for each pair, are looked up by Arrow
        shared = np.unique(self._hashes[1:][repeated])
        self._shared = shared if len(shared) else None

    def _find_texts(self, values: Any) -> Places:
        texts = key_text(values)
        if len(self._texts) <= _FEW_TEXTS:
            found = pc.index_in(texts, value_set=self._texts, skip_nulls=True)
            return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
        places = np.full(len(texts), -1, dtype=np.int32)
        set_ = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
        asked = hash_texts(texts)
        at = np.minimum(np.searchsorted(self._hashes, asked), len(self._hashes) - 1)
        hit = np.flatnonzero(self._hashes[at] == asked)
        found = self._places[at[hit]]
        same = pc.equal(texts.take(pa.array(set_[hit])), self._texts.take(pa.array(found)))
        places[set_[hit]] = np.where(same.to_numpy(zero_copy_only=False), found, np.int32(-1))
        if self._shared is not None:
            doubtful = set_[np.isin(asked, self._shared)]
            slow = pc.index_in(texts.take(pa.array(doubtful)), value_set=self._texts)
            places[doubtful] = slow.fill_null(-1).to_numpy(zero_copy_only=False)
        return places


def _joined(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _numbers(values: Any) -> NDArray[np.int64]:
    plain = values.cast(pa.int32()) if pa.types.is_date(values.type) else values
    numbers: NDArray[np.int64] = plain.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return numbers
