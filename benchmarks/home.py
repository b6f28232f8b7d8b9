"""A Muster of its own for a benchmark, driven by the command line, its engine's processes watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

#: How often the memory of the engine's Python processes is looked at.
_EVERY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A running home."""

    path: Path

    def __call__(self, *words: str | Path) -> Any:
        """Run a command and return what it printed as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "muster_console", *map(str, words), "--json"],
            check=True,
            env=os.environ | {"MUSTER_HOME": str(self.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        return json.loads(done.stdout)


@contextmanager
def running(path: Path) -> Iterator[Home]:
    """Start everything in `path` and stop it at the end of the block."""
    home = Home(path=path)
    home("up", "--detach")
    try:
        yield home
    finally:
        home("down")


@dataclass(slots=True)
class Peak:
    """The most memory, in bytes, that one Python process of the engine and all of them together held."""

    one: int = 0
    together: int = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Watch the Python processes that evaluate while the block runs: those of every engine on this machine."""
    peak, done = Peak(), threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            sizes = [_unshared(process) for process in _workers()]
            peak.one = max([peak.one, *sizes])
            peak.together = max(peak.together, sum(sizes))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _workers() -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any("pyspark" in word and ("daemon" in word or "worker" in word) for word in words):
            yield process


def _unshared(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
