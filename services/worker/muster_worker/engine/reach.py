"""Whether the engine can be reached while a worker has nothing to do there.

A worker uses the engine only while it works; without looking in between, nobody would be told of an engine that is
gone before the next run fails there.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from muster_core.clock import boottime
from muster_core.errors import PartUnavailable

#: Seconds between two tries, and how long one may take.
_PAUSE_SECONDS = 5.0
_TRY_SECONDS = 1.0
#: Seconds without an answer after which the engine counts as lost: one that is restarted is back before.
_PATIENCE_SECONDS = 15.0


class Reach:
    """Tries now and then whether anything listens at the engine's address; no session is opened for it."""

    def __init__(
        self,
        address: Callable[[], str],
        *,
        pause: float = _PAUSE_SECONDS,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        """Try what `address` gives, host and port, each `pause` seconds; lost it is after `patience` seconds."""
        self._address = address
        self._pause = pause
        self._patience = patience
        self._next = float("-inf")
        self._missing_since: float | None = None

    def is_lost(self) -> bool:
        """Return whether nothing has answered for the whole patience; called by one thread, again and again."""
        now = boottime()
        if now >= self._next:
            self._next = now + self._pause
            if self._answers():
                self._missing_since = None
            elif self._missing_since is None:
                self._missing_since = now
        return self._missing_since is not None and now - self._missing_since >= self._patience

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, PartUnavailable):
            host, _, port = self._address().rpartition(":")
            socket.create_connection((host, int(port)), timeout=_TRY_SECONDS).close()
            return True
        return False
