from __future__ import annotations

from datetime import timedelta

import pytest

from muster_core.errors import EngineUnavailable, LeaseLost, PoisonSegment
from muster_core.runs.backoff import Backoff
from muster_core.runs.state import TRANSITIONS, RunState
from muster_core.storage.run import (
    ATTEMPTS_EXHAUSTED,
    cancel_run,
    heartbeat,
    publish,
    reap,
    release,
    settle_cancelled,
    settle_failure,
)

pytestmark = pytest.mark.integration

LEASE = timedelta(seconds=60)


@pytest.fixture
def claim(desk):
    """Two runs in one batch."""
    desk.apply("one")
    desk.apply("two")
    desk.request(["one", "two"])
    return desk.must_claim()


def test_a_heartbeat_extends_the_lease_and_tells_who_wants_to_stop(
    desk, claim, in_transaction
) -> None:
    in_transaction(lambda c: cancel_run(c, claim.run_ids[0], actor="user"))
    before = desk.ask("SELECT min(lease_expires_at) FROM refresh_run")[0]

    answer = in_transaction(lambda c: heartbeat(c, claim, LEASE * 2))

    assert answer.held
    assert answer.cancelled == {claim.run_ids[0]}
    assert desk.ask("SELECT min(lease_expires_at) FROM refresh_run")[0] > before


def test_an_expired_lease_puts_the_run_back_at_once_and_the_batch_is_lost(
    desk, claim, in_transaction
) -> None:
    desk.end_lease(claim)

    reaped = in_transaction(reap)

    assert (reaped.requeued, reaped.failed, reaped.batches) == (2, 0, (claim.batch_id,))
    assert desk.ask("SELECT state FROM batch") == ["lost"]
    again = desk.must_claim(worker="worker two")
    assert again.run_ids == claim.run_ids
    assert again.fence > claim.fence
    assert {r.attempt for r in again.runs} == {2}


def test_the_second_lost_lease_waits(desk, claim, in_transaction) -> None:
    desk.end_lease(claim)
    in_transaction(reap)
    desk.end_lease(desk.must_claim())
    in_transaction(reap)

    assert desk.claim() is None
    waits = desk.ask("SELECT extract(epoch FROM available_at - clock_timestamp()) FROM refresh_run")
    assert all(10 < wait <= 30 for wait in waits)


def test_a_live_lease_is_left_alone(desk, claim, in_transaction) -> None:
    before = desk.everything()

    assert in_transaction(reap).batches == ()
    assert desk.everything() == before


def test_a_run_that_kills_every_worker_fails_after_its_attempts(
    desk, claim, in_transaction
) -> None:
    for _ in range(4):
        desk.end_lease(claim)
        in_transaction(lambda c: reap(c, backoff=Backoff(first=timedelta(0))))
        claim = desk.must_claim()
    desk.end_lease(claim)

    reaped = in_transaction(reap)

    assert (reaped.requeued, reaped.failed) == (0, 2)
    assert desk.ask("SELECT DISTINCT state, attempt, error_class FROM refresh_run") == [
        ("failed", 5, ATTEMPTS_EXHAUSTED)
    ]


def test_a_cancelled_run_whose_holder_died_ends_cancelled(desk, claim, in_transaction) -> None:
    in_transaction(lambda c: cancel_run(c, claim.run_ids[0], actor="user"))
    desk.end_lease(claim)

    reaped = in_transaction(reap)

    assert (reaped.cancelled, reaped.requeued) == (1, 1)


def test_a_late_holder_changes_nothing_at_any_step(desk, claim, in_transaction) -> None:
    desk.end_lease(claim)
    in_transaction(reap)
    desk.must_claim(worker="worker two")
    before = desk.everything()

    assert not in_transaction(lambda c: heartbeat(c, claim, LEASE)).held
    with pytest.raises(LeaseLost):
        desk.evaluate(claim)
    with pytest.raises(LeaseLost):
        in_transaction(lambda c: publish(c, claim))
    error = EngineUnavailable()
    assert in_transaction(lambda c: settle_failure(c, claim, claim.run_ids, error)) == {}
    assert in_transaction(lambda c: settle_cancelled(c, claim, claim.run_ids)) == []
    assert in_transaction(lambda c: release(c, claim)) == []
    assert desk.everything() == before


def test_a_holder_that_wakes_after_the_other_one_published_publishes_nothing(
    desk, claim, in_transaction
) -> None:
    desk.evaluate(claim)
    desk.end_lease(claim)
    in_transaction(reap)
    second = desk.must_claim(worker="worker two")
    desk.evaluate(second)
    in_transaction(lambda c: publish(c, second))
    before = desk.everything()

    with pytest.raises(LeaseLost):
        in_transaction(lambda c: publish(c, claim))

    assert desk.everything() == before
    assert desk.ask("SELECT DISTINCT fence FROM membership_version") == [second.fence]


def test_a_passing_error_waits_and_is_tried_again(desk, claim, in_transaction) -> None:
    error = EngineUnavailable("The engine sc://u:secret@host ended.")

    states = in_transaction(lambda c: settle_failure(c, claim, claim.run_ids, error))

    assert set(states.values()) == {"pending"}
    assert desk.claim() is None
    assert desk.ask("SELECT DISTINCT reason, error_class, error FROM refresh_run") == [
        ("retry", "engine_unavailable", "The engine sc://***host ended.")
    ]
    assert desk.ask("SELECT state FROM batch") == ["finished"]


def test_an_error_that_will_not_pass_fails_only_the_guilty_run(desk, claim, in_transaction) -> None:
    guilty, innocent = claim.run_ids

    in_transaction(lambda c: settle_failure(c, claim, [guilty], PoisonSegment()))
    desk.evaluate(claim, [innocent])
    states = in_transaction(lambda c: publish(c, claim))

    assert states == {guilty: "failed", innocent: "published"}


def test_a_soft_stop_gives_back_at_once_and_counts_no_attempt(desk, claim, in_transaction) -> None:
    assert in_transaction(lambda c: release(c, claim)) == claim.run_ids

    again = desk.must_claim(worker="worker two")
    assert {r.attempt for r in again.runs} == {1}


def test_every_step_wrote_one_event_and_all_events_are_legal(desk, claim, in_transaction) -> None:
    desk.evaluate(claim)
    desk.end_lease(claim)
    in_transaction(reap)
    second = desk.must_claim()
    desk.evaluate(second)
    in_transaction(lambda c: publish(c, second))

    steps = desk.ask(
        "SELECT from_state, to_state FROM run_event WHERE run_id = :run ORDER BY id",
        run=claim.run_ids[0],
    )

    assert steps == [
        (None, "pending"),
        ("pending", "running"),
        ("running", "evaluated"),
        ("evaluated", "pending"),
        ("pending", "running"),
        ("running", "evaluated"),
        ("evaluated", "published"),
    ]
    assert all(RunState(to) in TRANSITIONS[RunState(was)] for was, to in steps[1:])
