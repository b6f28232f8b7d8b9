"""What does not fit, while a condition is read against a catalog."""

from __future__ import annotations


class Misfit(ValueError):
    """A condition does not fit; `pointer` leads from the condition to the culprit."""

    def __init__(self, message: str, pointer: str = "/value", hint: str | None = None) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.hint = hint
