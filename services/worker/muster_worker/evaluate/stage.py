"""Evaluating a batch whose segments refer to each other: together, and in stages where that fails.

A segment is found guilty only once everything it refers to was evaluated, so a fault is never laid at the
door of those that depend on it. They use the last published members instead, or end skipped, as their
references say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from muster_core.errors import MusterError, TerminalError
from muster_core.rules.reference import references_of
from muster_core.runs.freshness import NotFresh
from muster_core.storage.claim import ClaimedRun
from muster_worker.evaluate.halving import halve
from muster_worker.evaluate.reference import References

Result = TypeVar("Result")

#: Evaluates runs for which the second ones, those they refer to, are evaluated along.
Evaluate = Callable[[Sequence[ClaimedRun], Sequence[ClaimedRun]], Result]


@dataclass(slots=True)
class Staged(Generic[Result]):
    """What came of a batch: results of its parts, and who stood alone with which error."""

    results: list[Result] = field(default_factory=list)
    guilty: list[tuple[ClaimedRun, MusterError]] = field(default_factory=list)


def evaluate_stages(
    runs: Sequence[ClaimedRun],
    references: References,
    evaluate: Evaluate[Result],
) -> Staged[Result]:
    """Evaluate `runs`, those referred to before those that refer to them.

    Raises:
        TransientError: evaluation met a fault that is nobody's guilt.
        TerminalError: every part failed, from one end to the other.
    """
    found: Staged[Result] = Staged()
    evaluated: dict[str, ClaimedRun] = {}
    remaining = references.admit(runs, evaluated)
    while remaining:
        try:
            found.results.append(evaluate(remaining, _support(remaining, evaluated)))
            break
        except TerminalError as exc:
            first, later = _first_stage(remaining)
            halved = halve(
                first,
                partial(_evaluate_after, evaluate, dict(evaluated)),
                failed=None if later else exc,
                proven=bool(found.results),
            )
        found.results += halved.results
        found.guilty += halved.guilty
        references.lost |= {run.name: NotFresh.FAILED for run, _ in halved.guilty}
        evaluated |= {run.name: run for run in first if run.name not in references.lost}
        remaining = references.admit(later, evaluated)
    return found


def _evaluate_after(
    evaluate: Evaluate[Result], evaluated: Mapping[str, ClaimedRun], part: Sequence[ClaimedRun]
) -> Result:
    return evaluate(part, _support(part, evaluated))


def _first_stage(runs: Sequence[ClaimedRun]) -> tuple[list[ClaimedRun], list[ClaimedRun]]:
    """Return the runs that refer to none of the others, and those that do."""
    names = {run.name for run in runs}
    first: list[ClaimedRun] = []
    later: list[ClaimedRun] = []
    for run in runs:
        (later if references_of(run.document) & names else first).append(run)
    return first, later


def _support(part: Sequence[ClaimedRun], evaluated: Mapping[str, ClaimedRun]) -> list[ClaimedRun]:
    """Return what `part` refers to, however many steps away, of what was evaluated before."""
    found: dict[str, ClaimedRun] = {}
    waiting = list(part)
    while waiting:
        for name in references_of(waiting.pop().document):
            if name in evaluated and name not in found:
                found[name] = evaluated[name]
                waiting.append(evaluated[name])
    return list(found.values())
