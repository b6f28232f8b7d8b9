"""Decides which waiting runs a worker takes together, and what becomes of those it does not take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from muster_core.runs.reference import Blocker, take_together
from muster_core.runs.state import Reason, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A pending run together with what matters of its segment."""

    run_id: int
    segment_id: int
    due_at: datetime
    trigger: str
    #: Smaller is more urgent; it falls while the run waits.
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
    #: The most runs it may be taken together with, None for any number.
    batch_cap: int | None = None

    @property
    def order(self) -> tuple[int, datetime, int]:
        """Return what the queue is sorted by."""
        return self.priority, self.due_at, self.run_id

    @property
    def pin(self) -> tuple[datetime | None, int | None, int | None]:
        """Return what runs must share to be taken together: instant, snapshot, and how suspect they are."""
        return self.requested_as_of, self.system_refresh_id, self.batch_cap


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """The newest run of a segment for one instant, and the older ones it stands for."""

    run: Waiting
    older: tuple[Waiting, ...]

    @property
    def segment_id(self) -> int:
        return self.run.segment_id

    @property
    def due_at(self) -> datetime:
        return self.run.due_at

    @property
    def stands_for(self) -> list[int]:
        return [self.run.run_id, *(run.run_id for run in self.older)]

    @property
    def order(self) -> tuple[int, datetime, int]:
        return self.run.order


def select_runs(
    waiting: Sequence[Waiting], *, limit: int, blockers: Sequence[Blocker] = ()
) -> Selection:
    """Choose among all pending runs of some segments, at most one a segment.

    The newest run of a segment stands for the older ones that ask for the same instant, which end as overlap
    once it is taken; where it waits out a back-off they wait with it. Runs that ask for different instants do
    not replace each other: the earlier due comes first, because a result older than the published one is void.

    `blockers` are the runs that these have to wait for, or to be taken together with; those referred to come
    first in what is claimed.
    """
    candidates, ended = _candidates(waiting)
    for group in _by_pin(candidates):
        taken = take_together(group, blockers)[: min(limit, group[0].run.batch_cap or limit)]
        if taken:
            ended += [
                Ending(run_id=run.run_id, state=RunState.SKIPPED, reason=Reason.OVERLAP)
                for candidate in taken
                for run in candidate.older
            ]
            return Selection(claimed=tuple(c.run for c in taken), ended=tuple(ended))
    return Selection(claimed=(), ended=tuple(ended))


def claim_order(waiting: Sequence[Waiting], blockers: Sequence[Blocker]) -> list[int]:
    """Return the segments of which a run could be taken or ends now, in the order to take them."""
    candidates, ended = _candidates(waiting)
    ending = {end.run_id for end in ended}
    order = {run.segment_id: None for run in waiting if run.run_id in ending}
    for group in _by_pin(candidates):
        order |= {c.segment_id: None for c in take_together(group, blockers)}
    return list(order)


def _candidates(waiting: Sequence[Waiting]) -> tuple[list[_Candidate], list[Ending]]:
    ended: list[Ending] = []
    candidates: list[_Candidate] = []
    by_segment = attrgetter("segment_id")
    for _, group in groupby(sorted(waiting, key=by_segment), key=by_segment):
        living = []
        for run in group:
            ending = _ending(run)
            if ending is None:
                living.append(run)
            else:
                ended.append(ending)
        ready = [c for c in _by_instant(living) if c.run.available and c.run.attempts_left]
        if ready:
            candidates.append(min(ready, key=lambda c: (c.run.due_at, c.run.run_id)))
    return candidates, ended


def _by_pin(candidates: Sequence[_Candidate]) -> Iterable[Sequence[_Candidate]]:
    """Return the candidates that can be evaluated together, the most urgent first."""
    groups: dict[tuple[datetime | None, int | None, int | None], list[_Candidate]] = {}
    for candidate in sorted(candidates, key=attrgetter("order")):
        groups.setdefault(candidate.run.pin, []).append(candidate)
    return groups.values()


def _by_instant(runs: Sequence[Waiting]) -> list[_Candidate]:
    """Return, for each instant asked for, the newest run with the older ones."""
    alike: dict[datetime | None, list[Waiting]] = {}
    for run in sorted(runs, key=attrgetter("due_at", "run_id")):
        alike.setdefault(run.requested_as_of, []).append(run)
    return [_Candidate(run=group[-1], older=tuple(group[:-1])) for group in alike.values()]


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
