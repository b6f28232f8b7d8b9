from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from muster_core.runs.state import (
    ACTIVE,
    SETTLED,
    TRANSITIONS,
    IllegalTransition,
    RunMachine,
    RunState,
)


class RunLife(RuleBasedStateMachine):
    """Holders, late holders and the reaper move one run in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.run = RunMachine(max_attempts=3)
        self.fences: list[int] = []
        self.published = 0

    def _try(self, step) -> bool:
        before = self.run
        try:
            self.run = step()
        except IllegalTransition:
            self.run = before
            return False
        assert self.run.state in TRANSITIONS[before.state]
        return True

    @rule()
    def claim(self) -> None:
        fence = len(self.fences) + 1
        if self._try(lambda: self.run.claim(fence)):
            self.fences.append(fence)

    @precondition(lambda self: self.fences)
    @rule(data=st.data(), state=st.sampled_from(sorted(RunState)))
    def a_holder_moves_it(self, data: st.DataObject, state: RunState) -> None:
        fence = data.draw(st.sampled_from(self.fences))
        moved = self._try(lambda: self.run.move(state, fence=fence))
        assert not moved or fence == self.fences[-1]
        self.published += moved and state is RunState.PUBLISHED

    @precondition(lambda self: self.fences)
    @rule(data=st.data(), transient=st.booleans())
    def a_holder_fails(self, data: st.DataObject, transient: bool) -> None:
        fence = data.draw(st.sampled_from(self.fences))
        moved = self._try(lambda: self.run.fail(fence=fence, transient=transient))
        assert not moved or fence == self.fences[-1]

    @precondition(lambda self: self.fences)
    @rule(data=st.data())
    def a_holder_releases_it(self, data: st.DataObject) -> None:
        fence = data.draw(st.sampled_from(self.fences))
        attempt = self.run.attempt
        if self._try(lambda: self.run.release(fence=fence)):
            assert self.run.attempt == attempt - 1

    @rule(cancel=st.booleans())
    def the_lease_ends(self, cancel: bool) -> None:
        held = self.run.state in ACTIVE
        assert self._try(lambda: self.run.expire(cancel_requested=cancel)) == held

    @invariant()
    def it_is_published_at_most_once(self) -> None:
        assert self.published <= 1

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert 0 <= self.run.attempt <= self.run.max_attempts

    @invariant()
    def nothing_leaves_a_settled_state_but_by_hand(self) -> None:
        if self.run.state in SETTLED - {RunState.FAILED}:
            assert not TRANSITIONS[self.run.state]


TestRunLife = RunLife.TestCase
TestRunLife.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_a_claim_needs_a_newer_fence() -> None:
    run = RunMachine().claim(7).move(RunState.PENDING, fence=7)

    with pytest.raises(IllegalTransition):
        run.claim(7)


def test_the_last_attempt_that_fails_in_passing_fails_for_good() -> None:
    run = RunMachine(max_attempts=1).claim(1)

    assert run.fail(fence=1, transient=True).state is RunState.FAILED
    assert run.expire().state is RunState.FAILED
