"""The state machine of a refresh run: which states there are, and who may move a run between them.

The control database enforces it with compare-and-set updates; this pure form is what those are tested against.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    EVALUATED = "evaluated"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    HELD = "held"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a run is where it is; kept in `refresh_run.reason` and on the event that brought it there."""

    OVERLAP = "overlap"
    MISFIRE = "misfire"
    INACTIVE = "inactive"
    STATIC = "static"
    DELETED = "deleted"
    REQUESTED = "requested"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NEWER_PUBLISHED = "newer_published"
    NEWER_HELD = "newer_held"
    LEASE_LOST = "lease_lost"
    RETRY = "retry"
    RELEASED = "released"
    TIMED_OUT = "timed_out"
    ENGINE_AWAY = "engine_away"
    ERROR = "error"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    GATE = "gate"
    REFERENCE_NOT_FRESH = "reference_not_fresh"
    REFERENCE_NEVER_PUBLISHED = "reference_never_published"
    INPUT_NOT_FRESH = "input_not_fresh"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_SKIPPED = "upstream_skipped"


#: The form of a run's row and document this release writes; it claims runs of this form and older ones only.
SCHEMA_VERSION = 1

#: Reasons of a step back to pending whose attempt does not count: nobody tried.
UNCOUNTED = frozenset({Reason.RELEASED, Reason.ENGINE_AWAY})

#: States that hold a lease; at most one run of a segment is in one of them.
ACTIVE = frozenset({RunState.RUNNING, RunState.EVALUATED})

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.PENDING: frozenset({RunState.RUNNING, RunState.SKIPPED, RunState.CANCELLED}),
    RunState.RUNNING: frozenset(
        {
            RunState.EVALUATED,
            RunState.PENDING,
            RunState.SKIPPED,
            RunState.FAILED,
            RunState.CANCELLED,
        }
    ),
    RunState.EVALUATED: frozenset(
        {
            RunState.PUBLISHED,
            RunState.SUPERSEDED,
            RunState.SKIPPED,
            RunState.HELD,
            RunState.CANCELLED,
            RunState.PENDING,
            RunState.FAILED,
        }
    ),
    RunState.HELD: frozenset({RunState.PUBLISHED, RunState.SUPERSEDED, RunState.CANCELLED}),
    RunState.FAILED: frozenset({RunState.PENDING}),
    RunState.PUBLISHED: frozenset(),
    RunState.SUPERSEDED: frozenset(),
    RunState.SKIPPED: frozenset(),
    RunState.CANCELLED: frozenset(),
}

#: States a run can be created in.
INITIAL = frozenset({RunState.PENDING, RunState.SKIPPED})

#: Nothing moves a run on from here by itself.
SETTLED = frozenset(
    {
        RunState.PUBLISHED,
        RunState.SUPERSEDED,
        RunState.SKIPPED,
        RunState.FAILED,
        RunState.CANCELLED,
    }
)


class IllegalTransition(ValueError):
    """The state machine has no such step, or the fence is not the run's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMachine:
    """One run as the state machine sees it."""

    state: RunState = RunState.PENDING
    fence: int | None = None
    attempt: int = 0
    max_attempts: int = 5

    def claim(self, fence: int) -> RunMachine:
        """Return the run as claimed under `fence`; the attempt counts from here, not from its end."""
        if self.attempt >= self.max_attempts or fence <= (self.fence or 0):
            raise IllegalTransition(f"claim of attempt {self.attempt + 1} under fence {fence}")
        moved = self._moved(RunState.RUNNING)
        return replace(moved, fence=fence, attempt=self.attempt + 1)

    def move(self, state: RunState, *, fence: int) -> RunMachine:
        """Return the run as its holder moves it; a fence that is not the run's moves nothing."""
        if fence != self.fence or self.state not in ACTIVE:
            raise IllegalTransition(f"fence {fence} does not hold a run that is {self.state}")
        return self._moved(state)

    def fail(self, *, fence: int, transient: bool) -> RunMachine:
        """Return the run after an error of its holder: pending again while attempts are left."""
        again = transient and self.attempt < self.max_attempts
        return self.move(RunState.PENDING if again else RunState.FAILED, fence=fence)

    def expire(self, *, cancel_requested: bool = False) -> RunMachine:
        """Return the run as the reaper leaves it once its lease has ended."""
        if self.state not in ACTIVE:
            raise IllegalTransition(f"a run that is {self.state} holds no lease")
        if cancel_requested:
            return self._moved(RunState.CANCELLED)
        exhausted = self.attempt >= self.max_attempts
        return self._moved(RunState.FAILED if exhausted else RunState.PENDING)

    def release(self, *, fence: int) -> RunMachine:
        """Return the run as a soft stop hands it back: the attempt does not count."""
        return replace(self.move(RunState.PENDING, fence=fence), attempt=self.attempt - 1)

    def skip(self) -> RunMachine:
        """Return a waiting run that is settled without being evaluated, by whoever claims."""
        if self.state is not RunState.PENDING:
            raise IllegalTransition(f"a run that is {self.state} does not wait")
        return self._moved(RunState.SKIPPED)

    def cancel(self) -> RunMachine:
        """Return the run after somebody asked to stop it: a held lease is ended by its holder alone."""
        if self.state in ACTIVE:
            return self
        return self._moved(RunState.CANCELLED)

    def approve(self, *, deleted: bool = False, stale: bool = False) -> RunMachine:
        """Return a held run after a person approved it: what has changed meanwhile is looked at again."""
        self._must_be_held()
        if deleted:
            return self._moved(RunState.CANCELLED)
        return self._moved(RunState.SUPERSEDED if stale else RunState.PUBLISHED)

    def reject(self) -> RunMachine:
        """Return a held run that a person rejected, or nobody approved in time."""
        self._must_be_held()
        return self._moved(RunState.CANCELLED)

    def supersede(self) -> RunMachine:
        """Return a held run after a later one of its segment was published, or is held in its place."""
        self._must_be_held()
        return self._moved(RunState.SUPERSEDED)

    def retry(self, *, attempts: int = 5) -> RunMachine:
        """Return a failed run after a person asked for `attempts` more."""
        if self.state is not RunState.FAILED:
            raise IllegalTransition(f"a run that is {self.state} has not failed")
        return replace(self._moved(RunState.PENDING), max_attempts=self.attempt + attempts)

    def _must_be_held(self) -> None:
        if self.state is not RunState.HELD:
            raise IllegalTransition(f"a run that is {self.state} waits for nobody")

    def _moved(self, state: RunState) -> RunMachine:
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"{self.state} -> {state}")
        return replace(self, state=state)
