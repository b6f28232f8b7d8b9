"""Ends what a peer draws out: a time limit of a socket is for one answer of the network, this one for all of them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Deadline:
    """Shuts a socket after some seconds, however much still trickles in; a context manager."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        #: Whether the time is over: what was read since is not all that was sent.
        self.passed = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, connected: socket.socket) -> None:
        """Let the deadline be that of this socket."""
        with self._lock:
            self._socket = connected
            if self.passed:
                self._shut()

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            # the plain one: that of TLS would take apart what another thread reads from
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
