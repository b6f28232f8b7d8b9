"""Who is let in, and when: urgency that grows, batches at once, releases side by side, lost batches coming back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from muster_core.errors import EngineUnavailable
from muster_core.runs.backoff import Backoff
from muster_core.storage.database import transaction
from muster_core.storage.run import (
    Blame,
    ClaimPolicy,
    Recovery,
    claim_batch,
    put_off,
    reap,
    release_unknown,
    retry_run,
    settle_failure,
)

pytestmark = pytest.mark.integration

LEASE = timedelta(seconds=60)
AT_ONCE = Backoff(first=timedelta(0))


def take(desk, **policy):
    with transaction(desk.engine) as connection:
        return claim_batch(connection, worker="w", lease=LEASE, policy=ClaimPolicy(**policy))


def names(claim) -> list[str]:
    return [] if claim is None else sorted(run.name for run in claim.runs)


def test_what_somebody_asked_for_comes_first_until_the_others_have_waited_long(desk) -> None:
    desk.apply_many(3)
    desk.request()
    desk.tell(
        "UPDATE refresh_run SET priority = 5, due_at = due_at - interval '1 hour' WHERE id <> 1"
    )
    assert names(take(desk, limit=1)) == ["s00000"]
    desk.tell("UPDATE refresh_run SET state = 'pending', lease_expires_at = NULL")
    desk.tell("UPDATE refresh_run SET created_at = created_at - interval '51 minutes' WHERE id = 2")
    desk.tell("UPDATE refresh_run SET due_at = due_at + interval '2 hours' WHERE id = 2")
    assert names(take(desk, limit=1)) == ["s00001"]


def test_so_many_batches_at_once_and_no_more(desk, in_transaction) -> None:
    desk.apply_many(3)
    desk.request()
    first, second = (take(desk, limit=1, concurrent=2) for _ in range(2))
    assert take(desk, limit=1, concurrent=2) is None
    in_transaction(
        lambda c: settle_failure(c, first, first.run_ids, EngineUnavailable(), backoff=AT_ONCE)
    )
    assert names(take(desk, limit=1, concurrent=2))
    assert second is not None


def test_an_older_release_leaves_newer_runs_to_a_newer_one(desk) -> None:
    desk.apply_many(2)
    desk.request()
    desk.tell("UPDATE refresh_run SET schema_version = 2 WHERE id = 1")

    assert names(take(desk)) == ["s00001"]
    assert names(take(desk)) == []
    assert names(take(desk, schema_version=2)) == ["s00000"]


def test_a_batch_that_was_lost_twice_at_work_comes_back_in_smaller_ones(
    desk, in_transaction
) -> None:
    desk.apply_many(100)
    desk.request()
    sizes = []
    for _ in range(4):
        claim = desk.must_claim()
        sizes.append(len(claim.runs))
        desk.tell(
            "UPDATE batch SET engine_jobs = '[\"job\"]' WHERE id = :batch", batch=claim.batch_id
        )
        desk.end_lease(claim)
        in_transaction(lambda c: reap(c, backoff=AT_ONCE))

    assert sizes == [100, 100, 22, 5]
    caps = desk.ask("SELECT batch_cap, count(*) FROM refresh_run GROUP BY 1 ORDER BY 1")
    assert caps == [(1, 5), (5, 17), (22, 78)]


def test_a_batch_that_took_too_long_is_split_at_once(desk, in_transaction) -> None:
    desk.apply_many(16)
    desk.request()
    claim = desk.must_claim()
    in_transaction(
        lambda c: settle_failure(
            c, claim, claim.run_ids, EngineUnavailable(), backoff=AT_ONCE, blame=Blame.WORK
        )
    )
    assert len(desk.must_claim().runs) == 8


def test_an_engine_that_is_away_burns_no_attempt(desk, in_transaction) -> None:
    desk.apply_many(1)
    desk.request()
    for _ in range(7):
        claim = desk.must_claim()
        in_transaction(
            lambda c, claim=claim: put_off(c, claim, EngineUnavailable(), wait=timedelta(0))
        )
    assert desk.ask("SELECT state, reason, attempt FROM refresh_run") == [
        ("pending", "engine_away", 0)
    ]


def test_after_an_outage_lost_batches_come_back_a_few_at_a_time(desk, in_transaction) -> None:
    desk.apply_many(5)
    desk.request()
    for _ in range(5):
        desk.end_lease(desk.must_claim(limit=1))
    pause = timedelta(seconds=30)

    in_transaction(lambda c: reap(c, recovery=Recovery(at_once=2, pause=pause)))

    waits = desk.ask(
        "SELECT round(extract(epoch FROM available_at - clock_timestamp()) / 30)::int"
        " FROM refresh_run ORDER BY batch_id"
    )
    assert waits == [0, 0, 1, 1, 2]
    assert len(desk.must_claim().runs) == 2


def test_a_claim_whose_answer_was_lost_is_given_back_by_the_one_who_made_it(
    desk, in_transaction
) -> None:
    desk.apply_many(2)
    desk.request()
    desk.must_claim(worker="w", limit=1)
    other = desk.must_claim(worker="another", limit=1)

    assert in_transaction(lambda c: release_unknown(c, "w")) == 1
    assert in_transaction(reap).requeued == 1
    assert desk.ask("SELECT fence FROM refresh_run WHERE state = 'running'") == [other.fence]


def test_a_failed_run_gets_new_attempts_when_somebody_asks(desk, in_transaction) -> None:
    desk.apply_many(1)
    (asked,) = desk.request(max_attempts=1)
    claim = desk.must_claim()
    in_transaction(lambda c: settle_failure(c, claim, claim.run_ids, EngineUnavailable()))
    assert desk.claim() is None

    in_transaction(lambda c: retry_run(c, asked.run_id, actor="user", attempts=2))

    assert desk.must_claim().runs[0].attempt == 2
