"""Finding the rows of a dimension by key: an index made once, then asked chunk by chunk."""

from __future__ import annotations

import threading
import weakref
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
_FEW_TEXTS = 32_768

#: Fibonacci hashing: the high bits of the product with this number are spread evenly.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class KeyIndex:
    """Where each key of a dimension is; keys are unique where they are set.

    Whole-number keys are gathered from a table of places where they are dense, else found by hash; texts
    and decimals are found by the hash of their text, and the text itself is compared.
    """

    def __init__(self, keys: Any) -> None:
        """Take the key column of a dimension, an Arrow array in a store type."""
        keys = _joined(keys)
        self._find: _WholeIndex | _TextIndex
        if pa.types.is_integer(keys.type) or pa.types.is_date(keys.type):
            self._find = _WholeIndex(keys)
        else:
            self._find = _TextIndex(key_text(keys))

    def find(self, values: Any) -> Places:
        """Return the place of the row each value refers to; -1 where it is missing or unknown."""
        values = _joined(values)
        if not pa.types.is_dictionary(values.type):
            return self._find.find(values)
        # every distinct value of a chunk is looked up once
        places = np.append(self._find.find(values.dictionary), np.int32(-1))
        codes = values.indices.fill_null(len(places) - 1).to_numpy(zero_copy_only=False)
        found: Places = places[codes]
        return found


_INDEXES: dict[int, tuple[weakref.ref[Any], KeyIndex]] = {}
_LOCK = threading.RLock()


def index_of(keys: Any) -> KeyIndex:
    """Return the index of a key column, the same one for as long as the column object lives.

    The partitions of a process share the columns of a dimension, and so its index.
    """
    name = id(keys)
    with _LOCK:
        known = _INDEXES.get(name)
        if known is not None and known[0]() is keys:
            return known[1]
    index = KeyIndex(keys)
    with _LOCK:
        _INDEXES[name] = weakref.ref(keys, lambda gone: _forget(name, gone)), index
    return index


def _forget(name: int, gone: weakref.ref[Any]) -> None:
    """Drop the index of a column that is no more, unless another column has taken its name since."""
    with _LOCK:
        known = _INDEXES.get(name)
        if known is not None and known[0] is gone:
            del _INDEXES[name]


class _WholeIndex:
    """Integers and dates."""

    def __init__(self, keys: Any) -> None:
        set_ = keys.is_valid().to_numpy(zero_copy_only=False)
        numbers = _numbers(keys)[set_]
        places = np.flatnonzero(set_).astype(np.int32)
        self._dense: Places | None = None
        self._low = int(numbers.min()) if len(numbers) else 0
        width = int(numbers.max()) - self._low + 1 if len(numbers) else 0
        if width <= max(_ALWAYS, _SPREAD * len(numbers)):
            self._dense = np.full(width + 1, -1, dtype=np.int32)
            self._dense[numbers - self._low] = places
            return
        self._places = places
        self._slots = SlotTable(numbers.view(np.uint64))

    def find(self, values: Any) -> Places:
        numbers = _numbers(values)
        known = values.is_valid().to_numpy(zero_copy_only=False) if values.null_count else True
        if self._dense is None:
            return _placed(self._places, self._slots.find(numbers.view(np.uint64)), known)
        last = len(self._dense) - 1  # the place of everything that is no key
        # compared before the subtraction, which could leave int64
        inside = (numbers >= self._low) & (numbers < self._low + last) & known
        return self._dense[np.where(inside, numbers - self._low, last)]


class _TextIndex:
    """Texts, and whatever else is a key, by its canonical text; few of them by Arrow, many by hash."""

    def __init__(self, texts: Any) -> None:
        self._texts = texts
        self._few = len(texts) <= _FEW_TEXTS
        if self._few:
            return
        hashes, first = np.unique(hash_texts(texts), return_index=True)
        set_ = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
        self._places = set_[first].astype(np.int32)
        self._slots = SlotTable(hashes)
        # two texts with one hash, a one in 2^64 chance for each pair: all are left to Arrow then
        self._few = len(hashes) < len(set_)

    def find(self, values: Any) -> Places:
        texts = key_text(values)
        if self._few:
            found = pc.index_in(texts, value_set=self._texts, skip_nulls=True)
            return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
        places = np.full(len(texts), -1, dtype=np.int32)
        set_ = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
        at = self._slots.find(hash_texts(texts))
        hit = np.flatnonzero(at >= 0)
        found = self._places[at[hit]]
        same = pc.equal(texts.take(pa.array(set_[hit])), self._texts.take(pa.array(found)))
        places[set_[hit]] = np.where(same.to_numpy(zero_copy_only=False), found, np.int32(-1))
        return places


class SlotTable:
    """A hash table over distinct 64-bit numbers, filled and asked in whole arrays (linear probing)."""

    def __init__(self, numbers: NDArray[np.uint64]) -> None:
        """Take the numbers; what is found of them is their index."""
        self._numbers = numbers
        bits = max(4, (2 * len(numbers)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._mask = (1 << bits) - 1
        self._slots = np.full(1 << bits, -1, dtype=np.int32)
        waiting = np.arange(len(numbers), dtype=np.int32)
        slots = self._first(numbers)
        while len(waiting):
            free = self._slots[slots] < 0
            self._slots[slots[free]] = waiting[free]
            pushed = self._slots[slots] != waiting  # the slot is another's, for now or since before
            waiting, slots = waiting[pushed], (slots[pushed] + 1) & self._mask

    def find(self, numbers: NDArray[np.uint64]) -> Places:
        """Return the index of each number; -1: it is not among them."""
        if not len(self._numbers):
            return np.full(len(numbers), -1, dtype=np.int32)
        slots = self._first(numbers)
        found = self._slots[slots]
        other = np.flatnonzero((found >= 0) & (self._numbers[found] != numbers))
        slots = slots[other]
        while len(other):
            slots = (slots + 1) & self._mask
            candidate = self._slots[slots]
            found[other] = candidate
            wrong = (candidate >= 0) & (self._numbers[candidate] != numbers[other])
            other, slots = other[wrong], slots[wrong]
        return found

    def _first(self, numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
        return ((numbers * _GOLDEN) >> self._shift).astype(np.int64)


def _placed(places: Places, at: Places, known: Any) -> Places:
    found: Places = np.where((at >= 0) & known, places[at], np.int32(-1))
    return found


def _joined(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _numbers(values: Any) -> NDArray[np.int64]:
    plain = values.cast(pa.int32()) if pa.types.is_date(values.type) else values
    numbers: NDArray[np.int64] = plain.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return numbers
