"""Sets of customers as bits, eight to a byte, and the membership matrix made of many of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.source import Bits

Packed = NDArray[np.uint8]

#: Swaps that transpose eight bytes of eight bits: 1x1 blocks, then 2x2, then 4x4 (Hacker's Delight, 7-3).
_SWAPS = (
    (np.uint64(7), np.uint64(0x00AA00AA00AA00AA)),
    (np.uint64(14), np.uint64(0x0000CCCC0000CCCC)),
    (np.uint64(28), np.uint64(0x00000000F0F0F0F0)),
)


def pack(bits: Bits) -> Packed:
    """Return a set as bytes: customer i is bit i % 8 of byte i // 8."""
    return np.packbits(bits, bitorder="little")


def count(packed: Packed) -> int:
    """Return how many customers are in the set."""
    return int(np.bitwise_count(packed).sum(dtype=np.int64))


def words_of(members: Sequence[Packed], size: int, words: int) -> NDArray[np.uint64]:
    """Return the membership matrix, one row a customer: bit b is bit b % 64 of word b // 64.

    Each word is contiguous in memory, as it is written.
    """
    found = np.zeros((words, size), dtype=np.uint64)
    octets = found.view(np.uint8).reshape(words, size, 8)
    for place in range(0, len(members), 8):
        word, octet = divmod(place // 8, 8)
        octets[word, :, octet] = _transposed(members[place : place + 8])[:size]
    return found.T


def _transposed(sets: Sequence[Packed]) -> NDArray[np.uint8]:
    """Return for each customer one byte: bit i is whether set i has it."""
    columns = np.zeros((len(sets[0]), 8), dtype=np.uint8)
    for row, packed in enumerate(sets):
        columns[:, row] = packed
    blocks = columns.view("<u8").ravel()
    for shift, mask in _SWAPS:
        swapped = (blocks ^ (blocks >> shift)) & mask
        blocks ^= swapped ^ (swapped << shift)
    return columns.ravel()
