"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout: float = 10.0, *, every: float = 0.05) -> T:
    """Call `predicate` until it returns something true, and return that.

    Raises:
        AssertionError: `timeout` seconds went by; the last error or value is named.
    """
    end = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            found = predicate()
        except AssertionError as exc:
            last = exc
        else:
            if found:
                return found
            last = found
        if time.monotonic() > end:
            raise AssertionError(f"still not true after {timeout:g} s; last: {last!r}")
        time.sleep(every)


def promised(seconds: float) -> float:
    """Return within how many seconds what is promised within `seconds` must happen just now.

    A promise is one of an idle machine; where other work takes the processors, this only finds what hangs.
    """
    return seconds if os.getloadavg()[0] < (os.cpu_count() or 1) else 5 * seconds
