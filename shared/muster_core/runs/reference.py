"""Runs that wait for runs of segments they refer to, and the order in which a batch takes them.

A run waits while a segment it refers to has a run due no later that has not ended, unless the two are taken
together. Nothing else is looked at: what such a run waits for itself decides when it is taken. References
have no circles, so of all waiting runs there is always one that waits for nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A run that has not ended, of a segment that `segment_id` refers to."""

    segment_id: int
    referred_id: int
    run_id: int
    due_at: datetime


class Candidate(Protocol):
    """A run that could be taken, together with the older ones it stands for."""

    @property
    def segment_id(self) -> int:
        """Return the segment."""

    @property
    def due_at(self) -> datetime:
        """Return the instant it is due at."""

    @property
    def stands_for(self) -> Collection[int]:
        """Return the ids of the runs that are settled once it is taken, its own among them."""

    @property
    def order(self) -> Any:
        """Return what the queue is sorted by, smaller first."""


C = TypeVar("C", bound=Candidate)


def take_together(candidates: Sequence[C], blockers: Iterable[Blocker]) -> list[C]:
    """Return the candidates that wait for no run outside of them, those referred to before the others.

    A run that others wait for inherits the place of the first of them, so any number from the front of the
    list is closed: nothing in it waits for something behind.
    """
    kept = {candidate.segment_id: candidate for candidate in candidates}
    waits: dict[int, list[Blocker]] = {}
    for blocker in blockers:
        if blocker.segment_id in kept and blocker.due_at <= kept[blocker.segment_id].due_at:
            waits.setdefault(blocker.segment_id, []).append(blocker)
    _drop_waiting(kept, waits)
    edges = {
        segment: {blocker.referred_id for blocker in found}
        for segment, found in waits.items()
        if segment in kept
    }
    return _ordered(kept, edges)


def _drop_waiting(kept: dict[int, C], waits: Mapping[int, Sequence[Blocker]]) -> None:
    taken = {run for candidate in kept.values() for run in candidate.stands_for}
    users: dict[int, list[int]] = {}
    for segment, found in waits.items():
        for blocker in found:
            users.setdefault(blocker.referred_id, []).append(segment)
    suspects = list(waits)
    while suspects:
        segment = suspects.pop()
        if segment in kept and any(b.run_id not in taken for b in waits[segment]):
            taken.difference_update(kept.pop(segment).stands_for)
            suspects += users.get(segment, [])


def _ordered(kept: Mapping[int, C], edges: Mapping[int, Collection[int]]) -> list[C]:
    """Return the candidates in queue order, but each after those it refers to."""
    found: dict[int, C] = {}
    for candidate in sorted(kept.values(), key=lambda c: c.order):
        waiting = [candidate.segment_id]
        entered: set[int] = set()
        while waiting:
            segment = waiting[-1]
            before = [] if segment in entered else [s for s in edges.get(segment, ()) if s in kept]
            entered.add(segment)
            before = [s for s in before if s not in found and s not in entered]
            if before:
                waiting += sorted(before, key=lambda s: kept[s].order, reverse=True)
                continue
            waiting.pop()
            found.setdefault(segment, kept[segment])
    return list(found.values())
