from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.waiting import promised

from muster_core.errors import Conflict, InvalidInput, NotFound
from muster_core.storage.run import cancel_run, publish
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration


def test_eight_workers_over_a_thousand_runs_take_each_run_once(desk) -> None:
    desk.apply_many(1_000)
    desk.request()
    start = threading.Barrier(8)

    def work(number: int) -> list[int]:
        start.wait()
        taken: list[int] = []
        misses = 0
        while misses < 3:
            claim = desk.claim(worker=f"worker {number}", limit=20)
            if claim is None:
                misses += 1
            else:
                taken += claim.run_ids
        return taken

    with ThreadPoolExecutor(8) as workers:
        taken = [run for runs in workers.map(work, range(8)) for run in runs]

    assert len(taken) == 1_000
    assert max(Counter(taken).values()) == 1
    assert desk.ask("SELECT DISTINCT attempt FROM refresh_run") == [1]


def test_a_thousand_segments_are_claimed_recorded_and_published_quickly(
    desk, in_transaction
) -> None:
    desk.apply_many(1_000)
    desk.request()
    begin = time.monotonic()

    claim = desk.must_claim()
    desk.evaluate(claim)
    states = in_transaction(lambda c: publish(c, claim))

    assert len(claim.runs) == 1_000
    assert set(states.values()) == {"published"}
    # half a second on an idle machine; the bound only tells a statement per run from one per batch
    assert time.monotonic() - begin < promised(10)


def test_the_newest_run_of_a_segment_is_taken_and_the_older_ones_say_why_not(desk) -> None:
    desk.apply("buyers")
    old, older, newest = (desk.request(["buyers"])[0].run_id for _ in range(3))

    claim = desk.must_claim()

    assert claim.run_ids == [newest]
    assert desk.ask("SELECT id, state, reason FROM refresh_run ORDER BY id") == [
        (old, "skipped", "overlap"),
        (older, "skipped", "overlap"),
        (newest, "running", None),
    ]


def test_runs_for_different_instants_are_taken_one_after_the_other(desk, in_transaction) -> None:
    past = datetime(2020, 5, 1, tzinfo=UTC)
    desk.apply("buyers")
    asked = [desk.request(["buyers"], as_of=at)[0].run_id for at in (past, None, past, None)]

    claims = []
    for manifest in ("m1", "m2"):
        claims.append(desk.must_claim())
        desk.evaluate(claims[-1], manifest=manifest)
        in_transaction(lambda c: publish(c, claims[-1]))

    assert [claim.run_ids for claim in claims] == [[asked[2]], [asked[3]]]
    assert desk.claim() is None
    assert desk.ask("SELECT state FROM refresh_run ORDER BY id") == [
        "skipped",
        "skipped",
        "published",
        "published",
    ]


def test_a_segment_with_a_running_run_is_not_claimed_again(desk) -> None:
    desk.apply("buyers")
    desk.request(["buyers"])
    desk.must_claim()
    desk.request(["buyers"])

    assert desk.claim(worker="worker two") is None
    assert desk.ask("SELECT state FROM refresh_run ORDER BY id") == ["running", "pending"]


def test_a_batch_whose_every_document_is_unreadable_ends_and_the_next_one_comes(desk) -> None:
    for name in ("broken", "fine"):
        desk.apply(name)
    desk.request(["broken"], as_of=datetime(2020, 5, 1, tzinfo=UTC))
    desk.request(["fine"])
    desk.tell("UPDATE segment SET document = '{\"rules\": 7}' WHERE name = 'broken'")

    claim = desk.must_claim()

    assert [run.name for run in claim.runs] == ["fine"]
    assert desk.ask("SELECT state, error_class FROM refresh_run ORDER BY id") == [
        ("failed", "unreadable_segment"),
        ("running", None),
    ]
    assert desk.ask("SELECT state, finished_at IS NULL FROM batch ORDER BY id") == [
        ("finished", False),
        ("running", True),
    ]
    assert desk.claim() is None


def test_the_run_keeps_the_rule_it_was_claimed_with(desk) -> None:
    desk.apply("buyers")
    desk.request(["buyers"])
    claim = desk.must_claim()
    desk.apply("buyers", rules=[])

    assert claim.runs[0].document.rules
    assert desk.ask("SELECT rule_rev, rule_hash FROM refresh_run") == [(1, claim.runs[0].rule_hash)]
    assert desk.ask("SELECT rev, rule_hash FROM segment_revision WHERE rev = 1") == [
        (1, claim.runs[0].rule_hash)
    ]


def test_the_instant_asked_for_is_the_instant_of_evaluation_and_has_a_batch_of_its_own(
    desk,
) -> None:
    past = datetime(2020, 5, 1, tzinfo=UTC)
    desk.apply("now")
    desk.apply("then")
    desk.request(["then"], as_of=past)
    desk.request(["now"])

    first, second = desk.must_claim(), desk.must_claim()

    assert [r.name for r in first.runs] == ["then"]
    assert first.as_of == past
    assert abs(second.as_of - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("year", [1, 1899, 2201, 9999])
def test_an_instant_outside_the_years_of_the_rules_is_refused(desk, year: int) -> None:
    desk.apply("then")

    with pytest.raises(InvalidInput) as caught:
        desk.request(["then"], as_of=datetime(year, 5, 1, tzinfo=UTC))

    assert str(caught.value.problems[0]) == (
        f"the instant to evaluate at lies in the year {year} (give one from 1900 to 2200)"
    )
    assert desk.ask("SELECT count(*) FROM refresh_run") == [0]


def test_runs_of_segments_that_may_not_be_refreshed_end_with_the_reason(
    desk, in_transaction
) -> None:
    for name in ("gone", "idle", "fine"):
        desk.apply(name)
    desk.request(["gone", "idle", "fine"])
    in_transaction(lambda c: delete_segment(c, "gone"))
    desk.apply("idle", state="inactive")

    claim = desk.must_claim()

    assert [r.name for r in claim.runs] == ["fine"]
    assert desk.ask(
        "SELECT s.name, r.state, r.reason FROM refresh_run r JOIN segment s ON s.id = r.segment_id"
        " WHERE r.state <> 'running' ORDER BY 1"
    ) == [("gone", "cancelled", "deleted"), ("idle", "skipped", "inactive")]


def test_one_stored_document_that_cannot_be_read_fails_alone(desk) -> None:
    desk.apply("good")
    desk.apply("bad")
    desk.request(["good", "bad"])
    desk.tell("UPDATE segment SET document = '{\"name\": 5}' WHERE name = 'bad'")

    claim = desk.must_claim()

    assert [r.name for r in claim.runs] == ["good"]
    assert desk.ask("SELECT error_class FROM refresh_run WHERE state = 'failed'") == [
        "unreadable_segment"
    ]


def test_a_manual_refresh_of_an_inactive_segment_is_refused_with_the_way_to_activate(desk) -> None:
    desk.apply("idle", state="inactive")
    desk.apply("fine")

    with pytest.raises(Conflict, match="state: active"):
        desk.request(["fine", "idle"])

    assert desk.ask("SELECT count(*) FROM refresh_run") == [0]


def test_an_unknown_segment_is_refused_with_names_that_come_near(desk) -> None:
    desk.apply("big_spenders")

    with pytest.raises(NotFound, match="big_spenders"):
        desk.request(["big_spender"])


def test_refreshing_all_leaves_out_what_is_static_or_inactive(desk) -> None:
    desk.apply("plain")
    desk.apply("fixed", type="static")
    desk.apply("idle", state="inactive")

    assert [r.name for r in desk.request(None)] == ["plain"]
    assert [r.name for r in desk.request(["fixed"])] == ["fixed"]


def test_a_waiting_run_is_cancelled_at_once_and_a_running_one_by_its_holder(
    desk, in_transaction
) -> None:
    desk.apply("one")
    desk.apply("two")
    running = desk.request(["one"])[0].run_id
    desk.must_claim()
    waiting = desk.request(["two"])[0].run_id

    assert in_transaction(lambda c: cancel_run(c, waiting, actor="user")) == "cancelled"
    assert in_transaction(lambda c: cancel_run(c, running, actor="user")) == "running"
    with pytest.raises(Conflict, match="has ended"):
        in_transaction(lambda c: cancel_run(c, waiting, actor="user"))
