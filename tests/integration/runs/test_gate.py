from __future__ import annotations

from datetime import timedelta

import pytest

from muster_core.errors import Conflict, NotFound
from muster_core.storage.run import (
    approve_run,
    cancel_run,
    expire_held,
    get_run,
    publish,
    reject_run,
    run_events,
)
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration


@pytest.fixture
def refresh(desk, in_transaction):
    """Refresh a segment so that it has so many members; return the run and its state."""

    def run(name: str, members: int) -> tuple[int, str]:
        desk.request([name])
        claim = desk.must_claim()
        desk.evaluate(claim, members=members)
        ((run_id, state),) = in_transaction(lambda c: publish(c, claim)).items()
        return run_id, state

    return run


@pytest.fixture
def held(desk, refresh):
    """A run that would empty a segment of three versions, one that an export delivers."""
    desk.apply("buyers")
    desk.tell("INSERT INTO export (name, document) VALUES ('on', '{}')")
    desk.tell("INSERT INTO export_segment SELECT e.id, s.id FROM export e, segment s")
    for _ in range(3):
        assert refresh("buyers", 100)[1] == "published"
    run_id, state = refresh("buyers", 0)
    assert state == "held"
    return run_id


def test_a_held_version_is_not_published_nor_delivered_until_it_is_approved(
    desk, held, in_transaction
) -> None:
    assert desk.ask("SELECT published_version FROM segment") == [3]
    assert desk.ask("SELECT max(version) FROM delivery") == [3]
    record = in_transaction(lambda c: get_run(c, held))
    assert "The segment buyers would go from 100 to 0 members." in record.error

    state = in_transaction(lambda c: approve_run(c, held, actor="user"))

    assert state == "published"
    assert desk.ask("SELECT version, member_count FROM membership_version WHERE version > 3") == [
        (4, 0)
    ]
    assert desk.ask("SELECT max(version) FROM delivery") == [4]
    assert in_transaction(lambda c: get_run(c, held)).error is None
    events = in_transaction(lambda c: run_events(c, held))
    assert [(e.to_state, e.actor) for e in events][-2:] == [
        ("held", "worker one"),
        ("published", "user"),
    ]
    with pytest.raises(Conflict, match="it is published"):
        in_transaction(lambda c: approve_run(c, held, actor="user"))


def test_a_rejected_version_leaves_the_last_members_and_the_next_one_is_compared_with_those(
    desk, held, refresh, in_transaction
) -> None:
    in_transaction(lambda c: reject_run(c, held, actor="user", why="an empty file"))

    record = in_transaction(lambda c: get_run(c, held))
    assert (record.state, record.reason, record.error) == (
        "cancelled",
        "rejected",
        "Rejected: an empty file",
    )
    assert refresh("buyers", 140)[1] == "published"
    with pytest.raises(NotFound):
        in_transaction(lambda c: reject_run(c, 99_999, actor="user"))


def test_what_has_changed_meanwhile_is_looked_at_again(desk, held, refresh, in_transaction) -> None:
    newer, state = refresh("buyers", 300)
    assert state == "held"
    assert in_transaction(lambda c: get_run(c, held)).reason == "newer_held"
    assert refresh("buyers", 120)[1] == "published"
    assert in_transaction(lambda c: get_run(c, newer)).reason == "newer_published"

    # one that an older release left behind
    desk.tell("UPDATE refresh_run SET state = 'held', reason = 'gate' WHERE id = :id", id=newer)
    assert in_transaction(lambda c: approve_run(c, newer, actor="user")) == "superseded"
    last, _ = refresh("buyers", 0)
    desk.tell("DELETE FROM export_segment")
    in_transaction(lambda c: delete_segment(c, "buyers"))
    assert in_transaction(lambda c: approve_run(c, last, actor="user")) == "cancelled"
    assert desk.ask("SELECT max(version) FROM membership_version") == [4]


def test_nobody_approving_in_time_is_a_no(desk, held, in_transaction) -> None:
    week = timedelta(days=7)
    assert in_transaction(lambda c: expire_held(c, after=week, actor="scheduler")) == []
    desk.tell("UPDATE refresh_run SET finished_at = finished_at - interval '8 days'")

    assert in_transaction(lambda c: expire_held(c, after=week, actor="scheduler")) == [held]
    record = in_transaction(lambda c: get_run(c, held))
    assert (record.state, record.reason) == ("cancelled", "expired")
    assert "100 to 0" in record.error


def test_a_held_run_can_be_cancelled_like_any_other(held, in_transaction) -> None:
    assert in_transaction(lambda c: cancel_run(c, held, actor="user")) == "cancelled"


def test_a_segment_sets_its_own_bounds_or_has_none(desk, refresh) -> None:
    desk.apply("open", gate="off")
    desk.apply("bounded", gate={"minimum": 10, "maximum": 1_000})
    desk.apply("tight", gate={"change_percent": 5})
    for _ in range(3):
        for name in ("open", "bounded", "tight"):
            assert refresh(name, 100)[1] == "published"

    assert refresh("open", 0)[1] == "published"
    assert refresh("tight", 106)[1] == "held"
    assert refresh("tight", 104)[1] == "published"
    assert refresh("bounded", 9)[1] == "held"
    assert refresh("bounded", 149)[1] == "published"
