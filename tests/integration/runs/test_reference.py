"""Runs of segments that refer to each other: who is taken when, by one worker or several."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from tests.integration.runs.conftest import LEASE, Desk

from muster_core.errors import Conflict, EngineUnavailable, PoisonSegment
from muster_core.runs.backoff import Backoff
from muster_core.storage.database import transaction
from muster_core.storage.run import cancel_run, publish, settle_failure
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration


def referring(*names: str, policy: str = "use_last") -> list[dict[str, object]]:
    of = [{"kind": "segment", "name": name, "policy": policy} for name in names]
    return [{"where": {"kind": "any", "of": of}}]


def apply_chain(desk: Desk) -> None:
    """``c`` refers to ``b``, which refers to ``a``; the ids run the other way."""
    for name in ("c", "b", "a"):
        desk.apply(name)
    desk.apply("b", rules=referring("a"))
    desk.apply("c", rules=referring("b", policy="skip"))


def names(claim) -> list[str]:
    return [] if claim is None else [run.name for run in claim.runs]


def finish(desk: Desk, claim) -> None:
    desk.evaluate(claim, manifest=f"m{claim.fence}")
    with transaction(desk.engine) as connection:
        publish(connection, claim)


def test_references_are_kept_in_step_with_the_documents(desk: Desk) -> None:
    apply_chain(desk)
    stored = (
        "SELECT s.name, t.name, f.policy FROM segment_reference f"
        " JOIN segment s ON s.id = f.segment_id JOIN segment t ON t.id = f.referred_id ORDER BY 1"
    )
    assert desk.ask(stored) == [("b", "a", "use_last"), ("c", "b", "skip")]
    with transaction(desk.engine) as connection, pytest.raises(Conflict, match="`b`"):
        delete_segment(connection, "a")
    desk.apply("b")
    assert desk.ask(stored) == [("c", "b", "skip")]
    with transaction(desk.engine) as connection:
        delete_segment(connection, "a")


def test_one_batch_holds_those_referred_to_first(desk: Desk) -> None:
    apply_chain(desk)
    desk.request(["a", "b", "c"])
    assert names(desk.must_claim()) == ["a", "b", "c"]


def test_a_batch_limit_between_them_takes_those_referred_to_first(desk: Desk) -> None:
    apply_chain(desk)
    desk.request(["a", "b", "c"])
    for expected in ("a", "b", "c"):
        claim = desk.must_claim(limit=1)
        assert names(claim) == [expected]
        assert desk.claim(limit=1) is None
        finish(desk, claim)
    assert desk.claim() is None


def test_a_run_waits_while_one_it_refers_to_waits_for_its_retry_and_no_longer(desk: Desk) -> None:
    apply_chain(desk)
    desk.apply("other")
    asked = {run.name: run.run_id for run in desk.request(["a", "b", "c", "other"])}
    claim = desk.must_claim(limit=1)
    assert names(claim) == ["a"]
    with transaction(desk.engine) as connection:
        settle_failure(
            connection, claim, [asked["a"]], EngineUnavailable(), backoff=Backoff(first=LEASE)
        )
    assert names(desk.claim()) == ["other"]
    assert desk.claim() is None
    with transaction(desk.engine) as connection:
        assert cancel_run(connection, asked["a"], actor="test") == "cancelled"
    assert names(desk.claim()) == ["b", "c"]


def test_a_run_waits_no_longer_once_the_other_failed(desk: Desk) -> None:
    apply_chain(desk)
    desk.request(["a", "b"])
    claim = desk.must_claim(limit=1)
    assert desk.claim() is None
    with transaction(desk.engine) as connection:
        settle_failure(connection, claim, claim.run_ids, PoisonSegment())
    assert names(desk.claim()) == ["b"]


def test_a_run_that_is_due_later_or_of_a_static_or_idle_segment_blocks_nobody(desk: Desk) -> None:
    apply_chain(desk)
    past = datetime(2020, 5, 1, tzinfo=UTC)
    desk.request(["b"])
    desk.request(["a"], as_of=past)
    assert names(desk.must_claim()) == ["b"]
    assert names(desk.must_claim()) == ["a"]
    desk.apply("fixed", type="static")
    desk.apply("d", rules=referring("fixed"))
    desk.request(["fixed"], as_of=past)
    desk.request(["d"])
    assert names(desk.must_claim(limit=1)) == ["fixed"]
    assert names(desk.must_claim(limit=1)) == ["d"]
    desk.apply("idle")
    desk.apply("e", rules=referring("idle"))
    desk.request(["idle", "e"])
    desk.apply("idle", state="inactive")
    assert names(desk.must_claim()) == ["e"]


def test_two_workers_at_once_never_take_a_run_before_what_it_refers_to(desk: Desk) -> None:
    """Random references, small batches: every batch finds the ones before published or beside it."""
    chance = random.Random(5)
    count = 60
    refers: dict[str, list[str]] = {}
    for number in range(count):
        earlier = [f"n{other:03}" for other in range(number) if chance.random() < 0.05]
        refers[f"n{number:03}"] = earlier
    # ids in another order than references
    for name in sorted(refers, key=lambda _: chance.random()):
        desk.apply(name)
    for name, earlier in refers.items():
        if earlier:
            desk.apply(name, rules=referring(*earlier))
    desk.request(list(refers))

    def work(number: int) -> None:
        while desk.ask("SELECT 1 FROM refresh_run WHERE state = 'pending' LIMIT 1"):
            claim = desk.claim(worker=f"w{number}", limit=7)
            if claim is not None:
                finish(desk, claim)

    desk.snapshot_id()
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(work, range(2)))
    assert desk.ask("SELECT DISTINCT state FROM refresh_run") == ["published"]
    assert len(desk.ask("SELECT DISTINCT worker FROM batch")) == 2
    order = {
        name: (batch, start, end)
        for name, batch, start, end in desk.ask(
            "SELECT s.name, r.batch_id, r.started_at, r.finished_at"
            " FROM refresh_run r JOIN segment s ON s.id = r.segment_id"
        )
    }
    for name, earlier in refers.items():
        batch, start, _ = order[name]
        for other in earlier:
            assert order[other][0] == batch or order[other][2] <= start
