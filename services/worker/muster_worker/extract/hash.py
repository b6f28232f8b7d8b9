"""Hashes of rows, computed on whole Arrow columns: equal values, equal hashes, wherever they stand.

They tell rows apart between extractions, so they depend on values alone: not on how rows were batched, not
on the server. A change of this file changes hashes; `muster_core.extract.manifest.EXTRACT_FORMAT` then too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_NULL = np.uint64(0xA0761D6478BD642F)

#: Longer texts are hashed one by one: word by word they would keep all others waiting.
_LONG_BYTES = 256


def hash_rows(columns: Sequence[Any], seed: int) -> Hashes:
    """Return a 64-bit hash of each row of these Arrow arrays; different seeds are independent."""
    found = np.full(len(columns[0]), _mix_one(seed), dtype=np.uint64)
    for column in columns:
        found = _mix(found * _GOLDEN + _hash_array(column, seed))
    return found


def _mix(value: Hashes) -> Hashes:
    """Return the finalizer of splitmix64, a bijection whose every output bit hangs on every input bit."""
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))


def _mix_one(seed: int) -> np.uint64:
    found: np.uint64 = _mix(np.array([seed], dtype=np.uint64) * _GOLDEN + _NULL)[0]
    return found


def _hash_array(array: Any, seed: int) -> Hashes:
    if pa.types.is_string(array.type):
        found = _hash_texts(array, seed)
    elif pa.types.is_list(array.type):
        found = _hash_lists(array, seed)
    elif pa.types.is_decimal(array.type):
        words = _values(array, 16).view(np.uint64).reshape(-1, 2)
        found = _mix(_mix(words[:, 0] ^ _mix_one(seed)) + words[:, 1])
    elif pa.types.is_boolean(array.type):
        plain = array.fill_null(False) if array.null_count else array
        bits = np.asarray(plain.to_numpy(zero_copy_only=False), dtype=np.uint64)
        found = _mix(bits ^ _mix_one(seed))
    else:
        found = _mix(_integers(array) ^ _mix_one(seed))
    if array.null_count:
        found[np.asarray(array.is_null())] = _NULL
    return found


def _values(array: Any, width: int) -> NDArray[np.uint8]:
    """Return the bytes of a fixed-width array; those of nulls are anything."""
    data = np.frombuffer(array.buffers()[1], dtype=np.uint8)
    return data[array.offset * width : (array.offset + len(array)) * width]


def _integers(array: Any) -> Hashes:
    """Return each value as 64 bits: numbers sign-extended, floats as doubles."""
    if pa.types.is_floating(array.type):
        doubles = np.asarray(array.fill_null(0.0), dtype=np.float64)
        bits: Hashes = doubles.view(np.uint64)
        return bits
    width = array.type.bit_width // 8
    signed = _values(array, width).view(f"<i{width}").astype(np.int64)
    words: Hashes = signed.view(np.uint64)
    return words


def _hash_texts(array: Any, seed: int) -> Hashes:
    offsets = _offsets(array)
    data = array.buffers()[2]
    return _hash_bytes(offsets, b"" if data is None else data, seed)


def _offsets(array: Any) -> NDArray[np.int64]:
    all_offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)
    return all_offsets[array.offset : array.offset + len(array) + 1].astype(np.int64)


def _hash_bytes(offsets: NDArray[np.int64], data: Any, seed: int) -> Hashes:
    """Hash every text eight bytes at a time, all texts that are long enough together."""
    begin, end = (int(offsets[0]), int(offsets[-1])) if len(offsets) > 1 else (0, 0)
    padded = np.zeros(end - begin + 8, dtype=np.uint8)
    padded[: end - begin] = np.frombuffer(data, dtype=np.uint8)[begin:end]
    # a word at every byte: strides of one
    words: Hashes = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    starts, lengths = offsets[:-1] - begin, np.diff(offsets)
    found = _mix(lengths.astype(np.uint64) + _mix_one(seed))
    for row in np.flatnonzero(lengths > _LONG_BYTES):
        text = padded[starts[row] : starts[row] + lengths[row]].tobytes()
        found[row] ^= np.uint64(xxhash.xxh3_64_intdigest(text, seed))
    rows = np.flatnonzero((lengths > 0) & (lengths <= _LONG_BYTES))
    position = 0
    while len(rows):
        left = lengths[rows] - position
        word = words[starts[rows] + position]
        short = left < 8
        word[short] &= (np.uint64(1) << (left[short] * 8).astype(np.uint64)) - np.uint64(1)
        found[rows] = _mix(found[rows] ^ word)
        rows = rows[left > 8]
        position += 8
    return found


def _hash_lists(array: Any, seed: int) -> Hashes:
    offsets = _offsets(array)
    values = array.values[int(offsets[0]) : int(offsets[-1])]
    lengths = np.diff(offsets)
    starts = offsets[:-1] - offsets[0]
    place = np.arange(len(values), dtype=np.int64) - np.repeat(starts, lengths)
    elements = _mix(_hash_array(values, seed) + place.astype(np.uint64) * _GOLDEN)
    # sums wrap around, so their differences are those of every list alone
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(elements, dtype=np.uint64)])
    total = sums[starts + lengths] - sums[starts]
    return _mix(total ^ _mix(lengths.astype(np.uint64) + _mix_one(seed)))
