"""How the evaluated runs of a batch end when it is published: each on its own, as its references say.

Members of the same batch are published in one transaction, so a run whose own members are left out there
has given others members that nobody can look up. They are marked, or end skipped, like any that used members
which are not fresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from muster_core.errors import ChangeTooLarge, MusterError, ReferenceNotFresh
from muster_core.runs.state import Reason, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRun:
    """What decides how an evaluated run ends, read while it and its segment are locked."""

    run_id: int
    segment: str
    cancel_requested: bool
    deleted: bool
    #: Whether a version due no earlier was published meanwhile.
    stale: bool
    inputs: Mapping[str, Any] | None
    #: Why its members may not be published unseen.
    held: ChangeTooLarge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Where a run ends; `error` says what to do where it is skipped or held."""

    state: RunState
    reason: Reason | None = None
    error: MusterError | None = None


def decide_endings(runs: Iterable[EvaluatedRun], *, published: Iterable[int]) -> dict[int, Ending]:
    """Return how each run ends; `published` are runs of the batch that were published before."""
    waiting = {run.run_id: run for run in runs}
    endings = {run_id: _alone(run) for run_id, run in waiting.items()}
    present = set(published) | {i for i, e in endings.items() if e.state is RunState.PUBLISHED}
    # each turn leaves out at least one more run, those that refer to it come in the next
    while blocked := _blocked(waiting, present):
        endings |= blocked
        present -= set(blocked)
    return endings


def _alone(run: EvaluatedRun) -> Ending:
    if run.deleted:
        return Ending(state=RunState.CANCELLED, reason=Reason.DELETED)
    if run.cancel_requested:
        return Ending(state=RunState.CANCELLED, reason=Reason.REQUESTED)
    if run.stale:
        return Ending(state=RunState.SUPERSEDED, reason=Reason.NEWER_PUBLISHED)
    if run.held is not None:
        return Ending(state=RunState.HELD, reason=Reason.GATE, error=run.held)
    return Ending(state=RunState.PUBLISHED)


def _blocked(runs: Mapping[int, EvaluatedRun], present: set[int]) -> dict[int, Ending]:
    """Return the endings of runs to be published that refer, with `skip`, to one that is not."""
    found: dict[int, Ending] = {}
    for run_id in present & runs.keys():
        for used in (runs[run_id].inputs or {}).get("segments", ()):
            if used["policy"] == "skip" and used["same_batch"] and used["run_id"] not in present:
                found[run_id] = _skipped(runs[run_id].segment, used["segment"])
    return found


def _skipped(segment: str, referred: str) -> Ending:
    error = ReferenceNotFresh(
        f"The segment {segment} refers to {referred}, which was not published with the batch.",
        hint=f"Refresh {referred}, or let the reference use what there is with `policy: use_last`.",
    )
    return Ending(state=RunState.SKIPPED, reason=Reason.REFERENCE_NOT_FRESH, error=error)
