"""The lease of a collection, extended by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine

from muster_core.clock import boottime
from muster_core.errors import LeaseLost, PartUnavailable
from muster_core.storage.collection import extend_collection
from muster_core.storage.database import transaction


@contextmanager
def holding(
    database: Engine, *, fence: int, lease: timedelta, stop: threading.Event
) -> Iterator[Callable[[], None]]:
    """Keep the lease during the block, which calls what is yielded before every step.

    That raises `LeaseLost` where the lease is gone or may be, or `stop` was set.
    """
    done = threading.Event()
    trusted = [boottime() + lease.total_seconds() / 2]

    def beat() -> None:
        while not done.wait(lease.total_seconds() / 8):
            asked = boottime()
            try:
                with transaction(database) as connection:
                    held = extend_collection(connection, fence=fence, lease=lease)
            except PartUnavailable:
                continue  # the trust ends by itself
            trusted[0] = asked + lease.total_seconds() / 2 if held else 0.0
            if not held:
                return

    def check() -> None:
        if stop.is_set() or boottime() > trusted[0]:
            raise LeaseLost("The collection was stopped; the next one goes on with what is left.")

    thread = threading.Thread(target=beat, name="collection-lease", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        done.set()
        thread.join()
