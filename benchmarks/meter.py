"""What a tree of processes takes while a block runs: seconds, CPU seconds, and the most memory at one time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

#: How often memory is looked at; oftener would take processor time from what is measured.
_EVERY = 0.2


@dataclass(slots=True)
class Usage:
    """What was taken; memory is resident bytes, so pages that processes share count in each of them."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    #: The most that one Python process of the engine held: what a task needs.
    task_bytes: int = 0
    #: The most by which the disk was fuller than before; whatever else writes to it counts, too.
    disk_bytes: int = 0


@contextmanager
def metered(roots: Sequence[int], *, disk: Path | None = None) -> Iterator[Usage]:
    """Measure the processes `roots` and everything below them while the block runs, and the disk of `disk`."""
    usage, done = Usage(), threading.Event()
    evaluates: dict[int, bool] = {}
    # by process, not as a sum: what has ended would be missing, and not every parent is told its time
    before = {process: cpu for process, (_, cpu) in _looked(roots).items()}
    cpu: dict[psutil.Process, float] = {}
    used_before = psutil.disk_usage(str(disk)).used if disk else 0

    def look() -> None:
        if disk:
            more = psutil.disk_usage(str(disk)).used - used_before
            usage.disk_bytes = max(usage.disk_bytes, more)
        found = _looked(roots)
        usage.peak_bytes = max(usage.peak_bytes, sum(size for size, _ in found.values()))
        for process, (size, seconds) in found.items():
            cpu[process] = seconds
            if evaluates.setdefault(process.pid, _evaluates(process)):
                usage.task_bytes = max(usage.task_bytes, size)

    def watch() -> None:
        while not done.wait(_EVERY):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    began = time.perf_counter()
    try:
        yield usage
    finally:
        usage.seconds = time.perf_counter() - began
        done.set()
        thread.join()
        look()
        usage.cpu_seconds = sum(
            seconds - before.get(process, 0.0) for process, seconds in cpu.items()
        )


def _tree(roots: Sequence[int]) -> Iterator[psutil.Process]:
    for root in dict.fromkeys(roots):
        with suppress(psutil.Error):
            process = psutil.Process(root)
            yield process
            yield from process.children(recursive=True)


def _looked(roots: Sequence[int]) -> dict[psutil.Process, tuple[int, float]]:
    """Return the resident bytes and processor seconds of each process of the tree."""
    found = {}
    for process in _tree(roots):
        with suppress(psutil.Error):
            times = process.cpu_times()
            found[process] = (process.memory_info().rss, times.user + times.system)
    return found


def _evaluates(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(word.startswith("pyspark.") for word in process.cmdline())
    return False
