"""How a batch that was lost comes back: in smaller batches, until what loses them stands alone."""

from __future__ import annotations

import math


def next_cap(size: int, *, attempt: int, max_attempts: int, certain: bool = False) -> int | None:
    """Return the most runs that may be claimed together after a batch of `size` runs was lost.

    The first loss says nothing about the work, so None lets the runs come back together, unless it is
    `certain` that the work is to blame. From then on the attempts left are shared out evenly, so that with
    the last of them every run is alone, whichever of them is to blame: 1,000, 1,000, 100, 10, 1.
    """
    if attempt <= 1 and not certain:
        return None
    left = max_attempts - attempt
    if left <= 1:
        return 1
    share: float = size ** (1 - 1 / left)
    return max(1, math.ceil(round(share, 6)))
