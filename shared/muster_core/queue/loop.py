"""The main loop of workers and exporters: work when a hint comes, and look every few seconds without one.

Hints arrive in a child process, a Celery worker, which pokes this process through one end of a pair of sockets. So the
process that does the work has no broker connection: a Redis that is gone, slow or full of nonsense can
neither stop it nor slow it down.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

from muster_core.errors import TransientError
from muster_core.queue.app import consumer_environment
from muster_core.queue.kind import Hint
from muster_core.telemetry import get_logger

#: Seconds before a consumer that died is started again: doubled each time up to the longest.
_FIRST_RESTART = 1.0
_LONGEST_RESTART = 10.0
#: Most seconds until a consumer that died is noticed.
_TEND_SECONDS = 1.0
#: A consumer that lived this many seconds was healthy; the next restart is quick again.
_HEALTHY = 60.0
#: Most seconds between two tries while the database or another part does not answer.
_LONGEST_RETRY = 5.0
_STOP_SECONDS = 5.0
#: What the process sends itself to be woken without a hint.
_WAKE = b"."

_LOG = get_logger()


class HintedLoop:
    """Calls `work` until it says that nothing is left, then waits for a hint or `sweep_seconds`.

    Args:
        hint: which hints to wait for.
        work: does one piece of work; True means there may be more. A `TransientError` is logged and tried
            again after a pause; any other error ends the loop.
        redis_url: where hints come from; None (``--direct``) means from nowhere.
        sweep_seconds: the longest wait.
    """

    def __init__(
        self,
        hint: Hint,
        work: Callable[[], bool],
        *,
        redis_url: str | None,
        sweep_seconds: float = 5.0,
    ) -> None:
        self._hint = hint
        self._work = work
        self._redis_url = redis_url
        self._sweep = sweep_seconds
        # A pair has no name in any folder, so nothing of it outlives a process that is killed.
        self._socket, self._poker = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._poker.setblocking(False)
        self._consumer: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._restart_at = 0.0
        self._restart_wait = _FIRST_RESTART
        self._failures = 0
        self._starts = 0
        self._stopping = False
        self._hints = 0

    @property
    def hints(self) -> int:
        """Return how often hints came: while it grows, Redis and the consumer work."""
        return self._hints

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the loop to stop: long work should hand back what it holds."""
        return self._stopping

    @property
    def consumer_pid(self) -> int | None:
        """Return the process id of the consumer, if there is one."""
        return None if self._consumer is None else self._consumer.pid

    def stop(self) -> None:
        """End the loop after the present piece of work; safe in a signal handler and from any thread."""
        self._stopping = True
        self.poke()

    def poke(self) -> None:
        """Wake the loop as a hint does."""
        self._send(b"!")

    def wake(self) -> None:
        """Wake the loop from within the process: no hint came; safe in any thread."""
        self._send(_WAKE)

    def _send(self, word: bytes) -> None:
        # A full socket wakes anyway; one that is closed belongs to a loop that has ended.
        with contextlib.suppress(OSError):
            self._poker.send(word)

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT stop the loop softly."""

        def stop(_: int, __: FrameType | None) -> None:
            self.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def run(self) -> None:
        """Work until stopped. The consumer starts here: it dies with the thread that calls this."""
        try:
            while not self._stopping:
                self._tend_consumer()
                wait = self._step()
                if wait > 0 and not self._stopping:
                    self._wait(wait)
        finally:
            self._end_consumer()
            self._socket.close()
            self._poker.close()

    def _step(self) -> float:
        """Do one piece of work and return how many seconds to wait before the next."""
        try:
            more = self._work()
        except TransientError as exc:
            self._failures += 1
            _LOG.warning("work put off", hint=self._hint.value, cause=exc.code, error=str(exc))
            ceiling = min(_LONGEST_RETRY, 0.2 * 2 ** min(self._failures, 8))
            return random.uniform(0.2, max(0.2, ceiling))  # noqa: S311
        self._failures = 0
        return 0.0 if more else self._sweep

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping and (left := end - time.monotonic()) > 0:
            if self._poked(min(left, _TEND_SECONDS)):
                return
            self._tend_consumer()

    def _poked(self, seconds: float) -> bool:
        self._socket.settimeout(seconds)
        try:
            hinted = self._socket.recv(16) != _WAKE
        except TimeoutError:
            return False
        # All hints that came meanwhile mean one look.
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                hinted |= self._socket.recv(16) != _WAKE
        self._hints += hinted
        return True

    def _tend_consumer(self) -> None:
        if self._redis_url is None:
            return
        now = time.monotonic()
        if self._consumer is not None:
            code = self._consumer.poll()
            if code is None:
                return
            if now - self._started_at > _HEALTHY:
                self._restart_wait = _FIRST_RESTART
            _LOG.warning("hint consumer ended", hint=self._hint.value, exit_code=code)
            self._consumer = None
            self._restart_at = now + self._restart_wait
            self._restart_wait = min(_LONGEST_RESTART, self._restart_wait * 2)
        if now >= self._restart_at:
            self._consumer = self._start_consumer(self._redis_url)
            self._started_at = now

    def _start_consumer(self, redis_url: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "muster_core.queue.consumer"]
        # One thread is enough to hand hints on, and no pool's children can outlive anything.
        command += ["worker", "--pool", "solo", "--concurrency", "1", "-Q", self._hint.queue]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        command += ["--loglevel", "WARNING", "-n", f"{self._hint.value}-{os.getpid()}@%h"]
        if self._starts:
            # A message it cannot even read ends it and is put back by Celery. Hints are worth nothing old.
            command.append("--purge")
        self._starts += 1
        return subprocess.Popen(
            command,
            env={**os.environ, **consumer_environment(redis_url, self._poker.fileno())},
            pass_fds=(self._poker.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
        )

    def _end_consumer(self) -> None:
        if self._consumer is None:
            return
        self._consumer.terminate()
        try:
            self._consumer.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._consumer.kill()
            self._consumer.wait()
