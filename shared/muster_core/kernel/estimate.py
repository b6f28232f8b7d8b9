"""How many customers of all, told from a sample of them: the most likely number and a 95 % interval.

A partition holds the customers whose key hashes into it, whatever else is true of them, so the customers of some
partitions are a simple random sample of all, drawn without replacement. The number of hits in it is hypergeometric.
The interval is Wilson's, with a correction for continuity, on the variance of that distribution: where everybody was
looked at it has no width, and it holds for counts near nought and near all, where a normal interval does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: The standard normal quantile of a two-sided 95 % interval.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number of customers; `low` and `high` are `count` where it is exact."""

    count: int
    low: int
    high: int


def exactly(count: int) -> Estimate:
    """Return a number that was counted."""
    return Estimate(count=count, low=count, high=count)


def estimate(hits: int, sampled: int, total: int) -> Estimate:
    """Return how many of `total` customers there are, where `hits` of `sampled` were found.

    Raises:
        ValueError: the figures cannot be those of a sample.
    """
    if not 0 <= hits <= sampled <= total:
        raise ValueError(f"{hits} of {sampled} of {total} is no sample")
    if sampled == total:
        return exactly(hits)
    if not sampled:
        return Estimate(count=0, low=0, high=total)
    # what was seen is certain: so many have it at least, and so many of those looked at do not
    least, most = hits, total - (sampled - hits)
    count = round(hits * total / sampled)
    low = math.floor(total * _bound(hits - 0.5, sampled, total, -_Z)) if hits else 0
    high = math.ceil(total * _bound(hits + 0.5, sampled, total, _Z)) if hits < sampled else total
    return Estimate(
        count=min(max(count, least), most),
        low=min(max(low, least), most),
        high=min(max(high, least), most),
    )


def _bound(hits: float, sampled: int, total: int, z: float) -> float:
    """Return the share at which `hits` lies `z` standard deviations away."""
    share = hits / sampled
    # the sample size that has the variance of drawing without replacement
    size = sampled * (total - 1) / (total - sampled)
    square = z * z
    spread = math.sqrt(max(share * (1 - share), 0) / size + square / (4 * size * size))
    return (share + square / (2 * size) + z * spread) / (1 + square / size)
