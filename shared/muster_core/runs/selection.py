"""Decides which waiting runs a worker takes together, and what becomes of those it does not take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from muster_core.runs.state import Reason, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A pending run together with what matters of its segment."""

    run_id: int
    segment_id: int
    due_at: datetime
    trigger: str
    priority: int
    #: False while it waits out a back-off.
    available: bool
    attempts_left: bool
    cancel_requested: bool
    requested_as_of: datetime | None
    system_refresh_id: int | None
    segment_state: str
    segment_type: str
    deleted: bool

    @property
    def order(self) -> tuple[int, datetime, int]:
        """Return what the queue is sorted by."""
        return self.priority, self.due_at, self.run_id

    @property
    def pin(self) -> tuple[datetime | None, int | None]:
        """Return what runs must share to be evaluated at one instant over one snapshot."""
        return self.requested_as_of, self.system_refresh_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A waiting run that is settled without being evaluated."""

    run_id: int
    state: RunState
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The runs to claim, all of one pin, in queue order; and the runs that end here."""

    claimed: tuple[Waiting, ...]
    ended: tuple[Ending, ...]


def select_runs(waiting: Sequence[Waiting], *, limit: int) -> Selection:
    """Choose among all pending runs of some segments, at most one a segment.

    The newest run of a segment stands for the older ones that ask for the same instant, which end as overlap
    once it is taken; where it waits out a back-off they wait with it. Runs that ask for different instants do
    not replace each other: the earlier due comes first, because a result older than the published one is void.
    """
    ended: list[Ending] = []
    candidates: list[tuple[Waiting, list[Waiting]]] = []
    by_segment = attrgetter("segment_id")
    for _, group in groupby(sorted(waiting, key=by_segment), key=by_segment):
        living = []
        for run in group:
            ending = _ending(run)
            if ending is None:
                living.append(run)
            else:
                ended.append(ending)
        ready = [
            pair for pair in _by_instant(living) if pair[0].available and pair[0].attempts_left
        ]
        if ready:
            candidates.append(min(ready, key=lambda pair: (pair[0].due_at, pair[0].run_id)))
    candidates.sort(key=lambda pair: pair[0].order)
    pin = candidates[0][0].pin if candidates else None
    taken = [pair for pair in candidates if pair[0].pin == pin][:limit]
    for _, older in taken:
        ended += [
            Ending(run_id=run.run_id, state=RunState.SKIPPED, reason=Reason.OVERLAP)
            for run in older
        ]
    return Selection(claimed=tuple(run for run, _ in taken), ended=tuple(ended))


def _by_instant(runs: Sequence[Waiting]) -> list[tuple[Waiting, list[Waiting]]]:
    """Return, for each instant asked for, the newest run and the older ones."""
    alike: dict[datetime | None, list[Waiting]] = {}
    for run in sorted(runs, key=attrgetter("due_at", "run_id")):
        alike.setdefault(run.requested_as_of, []).append(run)
    return [(group[-1], group[:-1]) for group in alike.values()]


def _ending(run: Waiting) -> Ending | None:
    if run.deleted:
        return Ending(run_id=run.run_id, state=RunState.CANCELLED, reason=Reason.DELETED)
    if run.cancel_requested:
        return Ending(run_id=run.run_id, state=RunState.CANCELLED, reason=Reason.REQUESTED)
    if run.segment_state != "active":
        return Ending(run_id=run.run_id, state=RunState.SKIPPED, reason=Reason.INACTIVE)
    if run.segment_type == "static" and run.trigger != "manual":
        return Ending(run_id=run.run_id, state=RunState.SKIPPED, reason=Reason.STATIC)
    return None
