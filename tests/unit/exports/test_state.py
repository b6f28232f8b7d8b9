from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from muster_core.exports.state import (
    ENDED,
    DeliveryState,
    Event,
    failure,
    lost_lease,
    move,
    sources,
    target,
)

MAX_ATTEMPTS = 5


def test_an_ended_delivery_moves_only_when_somebody_asks():
    moving = {event for event in Event for state in ENDED if move(state, event) is not None}

    assert moving == {Event.REQUESTED}


def test_only_a_holder_or_the_reaper_ends_a_running_delivery():
    assert {event for event in Event if move(DeliveryState.RUNNING, event)} == {
        Event.ACKNOWLEDGED,
        Event.RETRY,
        Event.GAVE_UP,
        Event.REFUSED,
        Event.LEASE_EXPIRED,
        Event.RELEASED,
        Event.CANCELLED,
    }


def test_move_agrees_with_sources_and_target():
    for event in Event:
        for state in DeliveryState:
            expected = target(event) if state in sources(event) else None
            assert move(state, event) == expected


class DeliveryLife(RuleBasedStateMachine):
    """Random lives of one delivery: attempts stay bounded, and what was delivered stays so."""

    def __init__(self):
        super().__init__()
        self.state = DeliveryState.PENDING
        self.attempt = 0
        self.delivered = False

    def happens(self, event: Event) -> None:
        after = move(self.state, event)
        assert after is not None
        self.state = after

    @precondition(lambda self: self.state is DeliveryState.PENDING and self.attempt < MAX_ATTEMPTS)
    @rule()
    def claim(self):
        self.attempt += 1
        self.happens(Event.CLAIMED)

    @precondition(lambda self: self.state is DeliveryState.RUNNING)
    @rule(transient=st.booleans())
    def fail(self, transient):
        self.happens(failure(transient=transient, attempt=self.attempt, max_attempts=MAX_ATTEMPTS))

    @precondition(lambda self: self.state is DeliveryState.RUNNING)
    @rule()
    def lose_the_lease(self):
        self.happens(lost_lease(attempt=self.attempt, max_attempts=MAX_ATTEMPTS))

    @precondition(lambda self: self.state is DeliveryState.RUNNING)
    @rule()
    def release(self):
        self.happens(Event.RELEASED)
        self.attempt -= 1

    @precondition(lambda self: self.state is DeliveryState.RUNNING)
    @rule()
    def finish(self):
        self.happens(Event.ACKNOWLEDGED)
        self.delivered = True

    @rule(event=st.sampled_from([Event.CANCELLED, Event.HELD, Event.SUPERSEDED, Event.RESUMED]))
    def an_operator_acts(self, event):
        if move(self.state, event) is not None:
            self.happens(event)

    @precondition(lambda self: self.state in ENDED)
    @rule()
    def ask_again(self):
        self.happens(Event.REQUESTED)
        self.attempt = 0
        self.delivered = False

    @invariant()
    def attempts_are_bounded(self):
        assert 0 <= self.attempt <= MAX_ATTEMPTS

    @invariant()
    def what_was_delivered_stays_so(self):
        if self.delivered:
            assert self.state is DeliveryState.DELIVERED

    @invariant()
    def a_waiting_delivery_can_be_claimed(self):
        if self.state is DeliveryState.PENDING:
            assert self.attempt < MAX_ATTEMPTS


TestDeliveryLife = DeliveryLife.TestCase
