"""Canonical key texts, and counting duplicates and unmatched references in eight bytes per key.

The canonical text of a key is what is hashed into its partition: text is itself, integers are their decimal
digits, decimals (scale up to 6) are plain with all their decimals, dates are ISO 8601.
An empty text is no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from muster_core.catalog.type import ColumnType, Kind

Hashes = NDArray[np.uint64]

#: Beyond this scale Arrow writes small decimals with an exponent.
MAX_KEY_SCALE = 6

#: Seed of the hash that decides a customer's partition.
PARTITION_SEED = 42

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_OFFSET = np.uint64(0xCBF29CE484222325)
_FINAL = np.uint64(0xBF58476D1CE4E5B9)

#: By number of bytes, from 0 to 8: which bits of a little-endian word they fill.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)


def has_key_text(kind: ColumnType) -> bool:
    """Whether values of this type can be keys."""
    if kind.kind is Kind.DECIMAL:
        return kind.scale <= MAX_KEY_SCALE
    return kind.kind in (Kind.TEXT, Kind.INTEGER, Kind.DATE)


def key_text(array: Any) -> Any:
    """Return the canonical texts of an Arrow array in a store type; null where there is no key."""
    text = array.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def partition_hashes(text: Any) -> Hashes:
    """Return the hash of every canonical key text that decides its partition; 0 where there is no key.

    It is the unsigned `xxhash64` that the engine computes, text by text: meant for few.
    """
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    encoded = text.dictionary_encode()
    known = [
        xxhash.xxh64_intdigest(value.encode(), seed=PARTITION_SEED)
        for value in encoded.dictionary.to_pylist()
    ]
    codes = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    hashes: Hashes = np.array([*known, 0], dtype=np.uint64)[codes]
    return hashes


def hash_texts(text: Any) -> Hashes:
    """Return a 64-bit hash of every set text; only for counting, never stored."""
    plain = text.drop_null()
    offsets = np.frombuffer(plain.buffers()[1], dtype=np.int32)
    offsets = offsets[plain.offset : plain.offset + len(plain) + 1].astype(np.int64)
    lengths = np.diff(offsets)
    starts = offsets[:-1]
    found = _OFFSET ^ lengths.astype(np.uint64)
    if not lengths.any():
        return found
    words = _words(plain.buffers()[2], int(offsets[-1]))
    for at in range(0, int(lengths.max()), 8):
        rows = np.flatnonzero(lengths > at)
        word = words[starts[rows] + at] & _MASKS[np.minimum(lengths[rows] - at, 8)]
        mixed = (found[rows] ^ word) * _PRIME
        found[rows] = mixed ^ (mixed >> np.uint64(32))
    found *= _FINAL
    found ^= found >> np.uint64(29)
    return found


def _words(data: Any, size: int) -> Any:
    """Return, for every byte of a buffer, the eight bytes that start there as one number."""
    padded = np.zeros(size + 8, dtype=np.uint8)
    padded[:size] = np.frombuffer(data, dtype=np.uint8, count=size)
    return np.ndarray((size + 1,), dtype="<u8", buffer=padded.data, strides=(1,))


class KeyCount:
    """Counts the keys of a column: rows, rows without key, duplicates."""

    def __init__(self) -> None:
        self.rows = 0
        self.nulls = 0
        self._parts: list[Hashes] = []
        self._sorted: Hashes | None = None

    def add(self, text: Any) -> None:
        """Take in a chunk of canonical key texts."""
        self.rows += len(text)
        self.nulls += text.null_count
        self._parts.append(hash_texts(text))

    def hashes(self) -> Hashes:
        """Return the hashes of all keys, sorted."""
        if self._sorted is None:
            joined = np.concatenate([np.zeros(0, dtype=np.uint64), *self._parts])
            joined.sort()
            self._sorted, self._parts = joined, []
        return self._sorted

    def duplicates(self, again: Callable[[], Iterable[Any]]) -> int:
        """Return how many rows repeat the key of another; exact.

        Equal hashes only make suspects: a second reading, `again`, compares these keys as texts.
        """
        hashes = self.hashes()
        suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(suspects):
            return 0
        kept = [pa.array([], pa.string()), *_suspected(again(), suspects)]
        counts = pc.value_counts(pa.concat_arrays(kept)).field("counts")
        return int(pc.sum(pc.subtract(counts, 1)).as_py() or 0)

    def matching(self, text: Any) -> int:
        """Return how many of these texts are keys counted here (a one in 2^64 chance of error)."""
        hashes = self.hashes()
        # ordered questions walk the keys instead of jumping in them
        asked = np.sort(hash_texts(text))
        if not len(hashes):
            return 0
        at = np.minimum(np.searchsorted(hashes, asked), len(hashes) - 1)
        return int(np.count_nonzero(hashes[at] == asked))


def _suspected(chunks: Iterable[Any], suspects: Hashes) -> Iterator[Any]:
    for text in chunks:
        plain = text.drop_null()
        yield plain.filter(pa.array(np.isin(hash_texts(plain), suspects)))
