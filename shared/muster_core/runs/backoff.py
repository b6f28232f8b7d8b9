"""How long a run waits before it is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential waits from `first` to `longest`; jitter keeps a thousand retries from coming at once."""

    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)

    def delay(
        self,
        attempt: int,
        *,
        lease_lost: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> timedelta:
        """Return the wait after `attempt` (1, 2, ...) failed: between half and all of the step's length.

        The first retry after a lost lease is immediate: nothing says that the work is at fault.
        """
        step = attempt - 1 if lease_lost else attempt
        if step <= 0:
            return timedelta(0)
        # The exponent is bounded before it is used: 2**1000 seconds is no timedelta.
        doubled: timedelta = self.first * 2 ** min(step - 1, 32)
        full = min(self.longest, doubled)
        return full * (0.5 + jitter() / 2)
