"""Reads the next part while the present one is written: Arrow lets go of the interpreter in both."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TypeVar

import pyarrow as pa

Part = TypeVar("Part")


def read_ahead(parts: Iterator[Part]) -> Iterator[Part]:
    """Yield what `parts` yields, each taken in a thread of its own while the one before it is in use.

    So two are in memory at once. Whatever taking one raises is raised where it would have been yielded.
    """
    waiting = _take(parts)
    while (part := waiting.result()) is not None:
        waiting = _take(parts)
        yield part
        # what a thread's heap kept of a part is of no use to the next thread
        pa.default_memory_pool().release_unused()


def _take(parts: Iterator[Part]) -> Future[Part | None]:
    taken: Future[Part | None] = Future()

    def take() -> None:
        try:
            taken.set_result(next(parts, None))
        except BaseException as exc:  # noqa: BLE001 - raised again by whoever waits for it
            taken.set_exception(exc)

    # a lake that hangs for ever must not keep the process from ending
    threading.Thread(target=take, name="read-ahead", daemon=True).start()
    return taken
