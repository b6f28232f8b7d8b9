"""A stable share of all customers, by a hash of their keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from muster_core.kernel.node import SampleNode
from muster_core.kernel.source import Bits

Hashes = NDArray[np.uint64]
_BUCKETS = np.uint64(10_000)


def sampled(node: SampleNode, hashes: Any) -> Bits:
    """Return whose key, given by its stored hash, falls into the share; no loop over keys."""
    mixed = splitmix64(hashes.to_numpy(zero_copy_only=False).view(np.uint64) ^ np.uint64(node.salt))
    found: Bits = mixed % _BUCKETS < np.uint64(node.below)
    return found


def splitmix64(values: Hashes) -> Hashes:
    """Return each number mixed by one step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Hashes = mixed ^ (mixed >> np.uint64(31))
    return found
