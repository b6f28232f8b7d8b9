"""The kinds of hints, without what carries them."""

from __future__ import annotations

from enum import StrEnum


class Hint(StrEnum):
    """What there may be to do."""

    REFRESH = "refresh"
    DELIVER = "deliver"

    @property
    def queue(self) -> str:
        """Return the queue that carries it."""
        return "kick" if self is Hint.REFRESH else "deliver"

    @property
    def task(self) -> str:
        """Return the name of the task that hands it on."""
        return f"muster.{self.value}"
