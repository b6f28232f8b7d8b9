"""What a contender is, and what it is told before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.data import Dataset
from benchmarks.mix import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the data and Muster's home are, and what a contender may take."""

    dataset: Dataset
    home: Path
    scratch: Path
    cores: int
    memory_bytes: int
    #: After so many seconds a query that does not end is given up.
    limit_seconds: float


class Contender(Protocol):
    """Counts members; made in a process of its own, and used again and again."""

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Return the number of members of each segment.

        Raises:
            TimeoutError: it did not end within the stage's limit.
        """
        ...
