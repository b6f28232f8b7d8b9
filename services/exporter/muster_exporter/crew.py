"""Does several deliveries at once, each in a thread of its own, so that a slow destination delays no other.

A destination that hangs keeps as many threads as its connection allows deliveries at once, and no more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from muster_core.errors import MusterError

log = structlog.get_logger()


class Crew:
    """Threads that each do one task and end."""

    def __init__(
        self, take: Callable[[], Callable[[], None] | None], *, most: int, wake: Callable[[], None]
    ) -> None:
        """Do what `take` returns, `most` at the same time.

        Args:
            take: takes one task, None where nothing waits.
            most: how many at once.
            wake: called when a thread has ended, because what it was the last of its connection may follow.
        """
        self._take = take
        self._wake = wake
        self._free = threading.Semaphore(most)
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def work(self) -> bool:
        """Take one task and start it; return whether there may be more.

        Raises:
            PartUnavailable: PostgreSQL does not answer.
            EpochOutdated: PostgreSQL is another one than before.
        """
        if not self._free.acquire(blocking=False):
            return False
        task: Callable[[], None] | None = None
        try:
            task = self._take()
        finally:
            if task is None:
                self._free.release()
        if task is None:
            return False
        # a destination that hangs for ever must not keep the process from ending
        thread = threading.Thread(target=self._run, args=(task,), name="delivery", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return True

    def close(self, seconds: float) -> None:
        """Wait for what runs, for so long at the most; what does not end loses its lease."""
        end = time.monotonic() + seconds
        with self._lock:
            running = list(self._threads)
        for thread in running:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except MusterError as exc:
            # the queue keeps what was not settled, and its lease ends
            log.warning("delivery.not_settled", error_class=exc.code)
        except Exception as exc:
            log.error("delivery.not_settled", error_class=type(exc).__name__)
            raise
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
            self._free.release()
            self._wake()
