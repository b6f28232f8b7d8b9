"""Which row nodes of a table folds look at."""

from __future__ import annotations

from collections.abc import Sequence

from muster_core.kernel.node import (
    AnyFold,
    GroupNode,
    HeldFold,
    LastRowFold,
    RowNode,
    SequenceFold,
)


def rows_needed(rows: Sequence[RowNode], folds: Sequence[AnyFold]) -> set[int]:
    """Return the places of the row nodes that `folds` look at, with those below them."""
    found: set[int] = set()
    waiting = [place for fold in folds for place in _roots(fold) if place is not None]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        node = rows[place]
        if isinstance(node, GroupNode):
            waiting += node.of
    return found


def _roots(fold: AnyFold) -> tuple[int | None, ...]:
    match fold:
        case LastRowFold():
            return fold.where, fold.having
        case SequenceFold():
            return fold.steps
        case HeldFold():
            return ()
        case _:
            return (fold.where,)
