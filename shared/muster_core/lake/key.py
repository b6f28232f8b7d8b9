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
from muster_core.lake.seed import PARTITION_SEED

Hashes = NDArray[np.uint64]

#: Beyond this scale Arrow writes small decimals with an exponent.
MAX_KEY_SCALE = 6

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_OFFSET = np.uint64(0xCBF29CE484222325)
_FINAL = np.uint64(0xBF58476D1CE4E5B9)

#: The primes of XXH64.
_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)

#: Bytes of the longest text whose hash has no stripes.
_LONGEST_SHORT = 31

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

    It is `xxhash64` of the UTF-8 text with `PARTITION_SEED`, unsigned, which the engine has as well.
    """
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    hashes: Hashes = np.zeros(len(text), dtype=np.uint64)
    if text.null_count == len(text):
        return hashes
    lengths = pc.binary_length(text).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)
    starts = offsets[text.offset : text.offset + len(text)].astype(np.int64)
    hashes[:] = _short_hashes(
        text.buffers()[2], starts, lengths.astype(np.int64), int(offsets[text.offset + len(text)])
    )
    for row in np.flatnonzero(lengths > _LONGEST_SHORT).tolist():
        hashes[row] = xxhash.xxh64_intdigest(text[row].as_py().encode(), seed=PARTITION_SEED)
    if text.null_count:
        hashes[text.is_null().to_numpy(zero_copy_only=False)] = 0
    return hashes


def _short_hashes(data: Any, starts: Any, lengths: Any, size: int) -> Hashes:
    """Return `xxhash64` of texts of up to `_LONGEST_SHORT` bytes; of longer ones nothing that means anything.

    Source: the specification of XXH64, the steps after the stripes of 32 bytes.
    """
    words = _words(data, size) if size else np.zeros(1, dtype="<u8")
    found: Hashes = np.uint64(PARTITION_SEED) + _P5 + lengths.astype(np.uint64)
    at = np.zeros(len(lengths), dtype=np.int64)
    short = lengths <= _LONGEST_SHORT

    def step(rows: Any, width: int, mixed: Any) -> None:
        found[rows] = mixed
        at[rows] += width

    for _ in range(_LONGEST_SHORT // 8):
        rows = np.flatnonzero(short & (lengths - at >= 8))
        if not len(rows):
            break
        word = _rotated(words[starts[rows] + at[rows]] * _P2, 31) * _P1
        step(rows, 8, _rotated(found[rows] ^ word, 27) * _P1 + _P4)
    rows = np.flatnonzero(short & (lengths - at >= 4))
    if len(rows):
        word = words[starts[rows] + at[rows]] & _MASKS[4]
        step(rows, 4, _rotated(found[rows] ^ (word * _P1), 23) * _P2 + _P3)
    for _ in range(3):
        rows = np.flatnonzero(short & (lengths > at))
        if not len(rows):
            break
        byte = words[starts[rows] + at[rows]] & _MASKS[1]
        step(rows, 1, _rotated(found[rows] ^ (byte * _P5), 11) * _P1)
    found ^= found >> np.uint64(33)
    found *= _P2
    found ^= found >> np.uint64(29)
    found *= _P3
    found ^= found >> np.uint64(32)
    return found


def _rotated(words: Hashes, bits: int) -> Hashes:
    rotated: Hashes = (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))
    return rotated


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


def first_bytes(text: Any) -> Hashes:
    """Return the first eight bytes of every text as one number that orders as they do; 0 where there is none."""
    found: Hashes = np.zeros(len(text), dtype=np.uint64)
    if text.null_count == len(text):
        return found
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int32)
    offsets = offsets[text.offset : text.offset + len(text) + 1].astype(np.int64)
    if offsets[-1] == 0:
        return found
    lengths = np.where(text.is_null().to_numpy(zero_copy_only=False), 0, np.diff(offsets))
    words = _words(text.buffers()[2], int(offsets[-1]))[offsets[:-1]]
    found[:] = (words & _MASKS[np.minimum(lengths, 8)]).byteswap()
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
