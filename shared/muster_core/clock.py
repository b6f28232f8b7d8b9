"""The two clocks Muster reads, in one place so that tests can see who asks for the time.

Decisions about due times and leases are made by PostgreSQL's ``clock_timestamp()``, never here.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the host's wall clock, for names and logs only."""
    return datetime.now(UTC)


def boottime() -> float:
    """Return seconds since boot, suspend included: the clock a lease holder trusts."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
