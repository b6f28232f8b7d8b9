"""How much this process takes on itself before a preparation's work goes to the engine."""

from __future__ import annotations

#: So many rows to be written are few: a process writes them faster than the engine starts its jobs.
FEW_ROWS = 250_000

#: Rows whose keys may be looked at to find what few rows refer to.
MOST_LOOKED_AT = 10_000_000

#: Bytes of rows that may be held at once.
MOST_HELD = 256 << 20


class BudgetSpent(Exception):
    """What seemed little turned out to be much."""


class Budget:
    """What one table may still cost this process; used up, it raises `BudgetSpent`."""

    def __init__(self, *, looked_at: int = MOST_LOOKED_AT, held: int = MOST_HELD) -> None:
        self._looked_at = looked_at
        self._held = held

    def look_at(self, rows: int) -> None:
        """Take the rows whose keys are about to be read from the budget."""
        self._looked_at -= rows
        if self._looked_at < 0:
            raise BudgetSpent()

    def hold(self, size: int) -> None:
        """Take bytes that are held until the table is written from the budget."""
        self._held -= size
        if self._held < 0:
            raise BudgetSpent()
