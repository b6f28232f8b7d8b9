"""Turning an unforeseen error into one of Muster's without its text, which may quote a member's data."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from muster_core.errors import MusterError, TerminalError


@contextmanager
def only_muster_errors() -> Iterator[None]:
    """Let Muster's errors pass and name every other one by class and place.

    Raises:
        TerminalError: in place of any other error; the original is left out of the chain, because the
            engine's log prints the whole chain.
    """
    try:
        yield
    except MusterError:
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a kernel raises must reach the run's record
        raise TerminalError(describe(exc)) from None


def describe(exc: BaseException) -> str:
    """Return an error's class and the line that raised it."""
    frames = traceback.extract_tb(exc.__traceback__)
    if not frames:
        return type(exc).__name__
    place = frames[-1]
    return f"{type(exc).__name__} at {place.filename.rsplit('/', 1)[-1]}:{place.lineno}"
