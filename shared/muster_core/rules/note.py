"""Problems gathered while a document is read against a catalog, so that all are told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from muster_core.errors import Problem
from muster_core.rules.limit import Limits
from muster_core.rules.misfit import Misfit


@dataclass(slots=True, kw_only=True)
class Notes:
    """What is wrong so far, and how many conditions were met."""

    limits: Limits
    problems: list[Problem] = field(default_factory=list)
    conditions: int = 0

    def add(self, misfit: Misfit, pointer: str) -> None:
        """Note what does not fit in the condition at `pointer`."""
        place = pointer + misfit.pointer
        self.problems.append(Problem(message=str(misfit), pointer=place, hint=misfit.hint))

    @contextmanager
    def noting(self, pointer: str) -> Iterator[None]:
        """Note a `Misfit` raised inside and go on."""
        try:
            yield
        except Misfit as exc:
            self.add(exc, pointer)

    def count(self, pointer: str, depth: int) -> None:
        """Count a condition; the first one too many or too deep is a problem."""
        self.conditions += 1
        if self.conditions == self.limits.conditions + 1:
            most = f"a segment has at most {self.limits.conditions} conditions"
            self.add(Misfit(most, ""), pointer)
        if depth == self.limits.depth + 1:
            self.add(Misfit(f"conditions nest at most {self.limits.depth} deep", ""), pointer)
