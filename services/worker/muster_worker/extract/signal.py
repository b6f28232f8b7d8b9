"""Whether an extraction should stop: its lease is lost, or its process is told to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Signal(Protocol):
    """Anything that can be set by somebody else, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it is set."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A signal that is set as soon as one of several is."""

    signals: tuple[Signal, ...]

    def is_set(self) -> bool:
        """Whether any of them is set."""
        return any(signal.is_set() for signal in self.signals)
