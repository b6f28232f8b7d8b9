"""Sets of customers as bits, eight to a byte, and the membership matrix made of many of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

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


class WordMatrix:
    """The membership matrix in the making: bit b of a customer is bit b % 64 of its word b // 64."""

    def __init__(self, size: int, words: int) -> None:
        # each word is contiguous in memory, as it is written
        self._found = np.zeros((words, size), dtype=np.uint64)
        #: Bytes of which some bits are set already.
        self._begun: set[int] = set()
        self._octets = self._found.view(np.uint8).reshape(words, size, 8)

    def put(self, members: Mapping[int, Packed]) -> None:
        """Set bits, by place, that were not set before."""
        octets: dict[int, dict[int, Packed]] = defaultdict(dict)
        for place, packed in members.items():
            octets[place // 8][place % 8] = packed
        for place, sets in octets.items():
            word, octet = divmod(place, 8)
            target, bits = self._octets[word, :, octet], _transposed(sets)
            if place in self._begun:
                target |= bits[: len(target)]
            else:
                target[:] = bits[: len(target)]
                self._begun.add(place)

    @property
    def words(self) -> NDArray[np.uint64]:
        """Return the matrix, one row a customer, one column a word."""
        return self._found.T


def _transposed(sets: Mapping[int, Packed]) -> NDArray[np.uint8]:
    """Return for each customer one byte: bit i is whether set i has it."""
    columns = np.zeros((len(next(iter(sets.values()))), 8), dtype=np.uint8)
    for row, packed in sets.items():
        columns[:, row] = packed
    blocks = columns.view("<u8").ravel()
    for shift, mask in _SWAPS:
        swapped = (blocks ^ (blocks >> shift)) & mask
        blocks ^= swapped ^ (swapped << shift)
    return columns.ravel()
