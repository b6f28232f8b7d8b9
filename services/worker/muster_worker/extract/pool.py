"""A few threads with a connection each, working through a list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import TypeVar

from muster_core.errors import LeaseLost, SourceTimeout, SourceUnavailable
from muster_worker.extract.signal import Signal
from muster_worker.extract.stream import Stream

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How often an item is tried, each time on a new connection, while the snapshot lives.
TRIES = 3

#: How often the caller looks whether somebody wants it to stop.
_LOOK_SECONDS = 0.2


class Pool:
    """Connections opened by `connect`; setting `stop` ends the work at the next chance."""

    def __init__(self, connect: Callable[[], Stream], stop: Signal) -> None:
        self._connect = connect
        self._stop = stop
        self._failed = threading.Event()
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._error: BaseException | None = None

    def run(
        self, items: Sequence[Item], work: Callable[[Stream, Item], Result], *, threads: int
    ) -> list[tuple[Item, Result]]:
        """Return every item with its result, in any order.

        Raises:
            MusterError: what `work` raised first; the other threads are made to end.
            LeaseLost: `stop` was set.
        """
        queue: SimpleQueue[Item] = SimpleQueue()
        for item in items:
            queue.put(item)
        results: list[tuple[Item, Result]] = []
        count = min(threads, len(items))
        if not count:
            return results
        with ThreadPoolExecutor(count, thread_name_prefix="extract") as executor:
            futures = [executor.submit(self._thread, queue, work, results) for _ in range(count)]
            self._watch(set(futures))
        if self._stop.is_set():
            raise LeaseLost("The extraction was stopped.")
        if self._error is not None:
            raise self._error
        return results

    def _watch(self, waiting: set[Future[None]]) -> None:
        while waiting:
            _, waiting = wait(waiting, timeout=_LOOK_SECONDS)
            if self._failed.is_set() or self._stop.is_set():
                with self._lock:
                    for stream in self._streams:
                        stream.cancel()

    def _thread(
        self,
        queue: SimpleQueue[Item],
        work: Callable[[Stream, Item], Result],
        results: list[tuple[Item, Result]],
    ) -> None:
        stream: Stream | None = None
        try:
            while not self._failed.is_set() and not self._stop.is_set():
                try:
                    item = queue.get_nowait()
                except Empty:
                    return
                stream, result = self._insist(stream, item, work)
                results.append((item, result))
        except BaseException as exc:
            with self._lock:
                # the others fail because they are cancelled: the first error is the reason
                self._error = self._error or exc
            self._failed.set()
            raise
        finally:
            self._leave(stream)

    def _insist(
        self, stream: Stream | None, item: Item, work: Callable[[Stream, Item], Result]
    ) -> tuple[Stream, Result]:
        """Work on one item; a connection that breaks is replaced."""
        for left in range(TRIES - 1, -1, -1):
            try:
                if stream is None:
                    stream = self._enter()
                return stream, work(stream, item)
            except SourceUnavailable as exc:
                if stream is not None:
                    self._leave(stream)
                    stream = None
                if isinstance(exc, SourceTimeout) or not left or self._failed.is_set():
                    raise
            except BaseException:
                self._leave(stream)
                raise
        raise AssertionError("unreachable")

    def _enter(self) -> Stream:
        stream = self._connect()
        with self._lock:
            self._streams.add(stream)
        return stream

    def _leave(self, stream: Stream | None) -> None:
        if stream is None:
            return
        with self._lock:
            known = stream in self._streams
            self._streams.discard(stream)
        if known:
            stream.close()
