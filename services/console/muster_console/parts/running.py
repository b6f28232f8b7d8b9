"""Start one part and keep it while a block runs: for tests and tools that need a single server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from muster_console.parts.child import Child
from muster_console.parts.home import Home
from muster_console.parts.part import Part
from muster_core.errors import PartUnavailable


@contextmanager
def running(part: Part, home: Home, *, start_seconds: float = 120.0) -> Iterator[Child]:
    """Run `part` until the block ends; enter the block when it is ready.

    Raises:
        PartUnavailable: it died, or was not ready within `start_seconds`.
    """
    part.prepare()
    child = Child(part.name, part.launch(), home.log / f"{part.name}.log")
    try:
        wait_until_ready(part, child, start_seconds=start_seconds)
        yield child
    finally:
        child.stop()


def wait_until_ready(part: Part, child: Child, *, start_seconds: float) -> None:
    """Wait until `part` answers.

    Raises:
        PartUnavailable: it died, or was not ready within `start_seconds`.
    """
    end = time.monotonic() + start_seconds
    while not part.is_ready(child.pid):
        if child.exit_code() is not None:
            raise died_at_start(part, child)
        if time.monotonic() > end:
            raise too_slow(part, child, start_seconds)
        time.sleep(0.05)


def died_at_start(part: Part, child: Child) -> PartUnavailable:
    """Return the error for a part whose process ended before it was ready."""
    log = child.log_end()
    advice = part.advice(log)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = f" Its last words: {lines[-1][:300]}" if lines else ""
    return PartUnavailable(
        f"{part.name} ended with code {child.exit_code()} while starting; its log is {child.log}.{said}",
        hint=advice or None,
    )


def too_slow(part: Part, child: Child, seconds: float) -> PartUnavailable:
    """Return the error for a part that runs but does not answer."""
    return PartUnavailable(
        f"{part.name} was not ready after {seconds:g} s; its log is {child.log}.",
        hint="A busy machine may need longer: set MUSTER_START_SECONDS.",
    )
