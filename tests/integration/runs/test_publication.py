from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from muster_core.runs.input import Inputs, UsedSegment
from muster_core.storage.run import cancel_run, get_run, list_runs, publish, run_events
from muster_core.storage.segment import get_segment
from muster_core.storage.segment_life import delete_segment

pytestmark = pytest.mark.integration


@pytest.fixture
def refresh(desk, in_transaction):
    """Refresh a segment from request to publication."""

    def run(name: str, manifest: str = "m1"):
        desk.request([name])
        claim = desk.must_claim()
        desk.evaluate(claim, manifest=manifest)
        return in_transaction(lambda c: publish(c, claim))

    return run


def test_versions_count_without_gaps_and_each_knows_the_one_before(
    desk, refresh, in_transaction
) -> None:
    desk.apply("buyers")
    refresh("buyers", "first")
    refresh("buyers", "second")
    desk.request(["buyers"])
    claim = desk.must_claim()

    assert claim.runs[0].previous_version == 2
    assert claim.runs[0].previous is not None
    assert claim.runs[0].previous.manifest == "second"
    assert desk.ask(
        "SELECT v.version, p.manifest, p.bit, v.member_count FROM membership_version v"
        " JOIN membership_pointer p USING (segment_id, version) ORDER BY 1"
    ) == [(1, "first", 0, 10), (2, "second", 0, 10)]
    assert in_transaction(lambda c: get_segment(c, "buyers")).version == 2


def test_publishing_again_after_a_lost_answer_changes_nothing_and_says_the_same(
    desk, in_transaction
) -> None:
    desk.apply("buyers")
    desk.request(["buyers"])
    claim = desk.must_claim()
    desk.evaluate(claim)
    first = in_transaction(lambda c: publish(c, claim))
    before = desk.everything()

    assert in_transaction(lambda c: publish(c, claim)) == first
    assert desk.everything() == before


def test_what_is_not_evaluated_is_not_published(desk, in_transaction) -> None:
    desk.apply("one")
    desk.apply("two")
    desk.request(["one", "two"])
    claim = desk.must_claim()
    first, second = claim.run_ids
    desk.evaluate(claim, [first], manifest="half one")

    assert in_transaction(lambda c: publish(c, claim)) == {first: "published"}
    assert desk.ask("SELECT state FROM batch") == ["running"]

    desk.evaluate(claim, [second], manifest="half two")
    assert in_transaction(lambda c: publish(c, claim)) == {
        first: "published",
        second: "published",
    }
    assert desk.ask("SELECT state FROM batch") == ["finished"]
    assert desk.ask("SELECT manifest FROM membership_pointer ORDER BY 1") == [
        "half one",
        "half two",
    ]


def test_each_segment_of_a_batch_is_settled_on_its_own(desk, in_transaction) -> None:
    names = ["cancelled", "deleted", "plain", "stale"]
    for name in names:
        desk.apply(name)
    runs = {run.name: run.run_id for run in desk.request(names)}
    claim = desk.must_claim()
    desk.evaluate(claim)
    in_transaction(lambda c: delete_segment(c, "deleted"))
    in_transaction(lambda c: cancel_run(c, runs["cancelled"], actor="user"))
    desk.tell("UPDATE segment SET published_due_at = clock_timestamp() WHERE name = 'stale'")

    states = in_transaction(lambda c: publish(c, claim))

    assert states == {
        runs["cancelled"]: "cancelled",
        runs["deleted"]: "cancelled",
        runs["plain"]: "published",
        runs["stale"]: "superseded",
    }
    assert desk.ask("SELECT run_id FROM membership_version") == [runs["plain"]]


def test_who_used_members_that_were_not_published_says_so_or_is_skipped(
    desk, in_transaction
) -> None:
    names = ("stopped", "fine", "lenient", "strict", "behind")
    for name in names:
        desk.apply(name)
    runs = {run.name: run.run_id for run in desk.request(names)}
    claim = desk.must_claim()

    def beside(name: str, policy: str) -> UsedSegment:
        return UsedSegment(
            segment=name,
            policy=policy,
            version=None,
            as_of=claim.as_of,
            published_at=None,
            same_batch=True,
            run_id=runs[name],
        )

    used = {
        "lenient": (beside("stopped", "use_last"), beside("fine", "skip")),
        "strict": (beside("stopped", "skip"),),
        "behind": (beside("strict", "use_last"),),
    }
    desk.evaluate(claim, inputs={runs[name]: Inputs(segments=s) for name, s in used.items()})
    in_transaction(lambda c: cancel_run(c, runs["stopped"], actor="user"))

    states = in_transaction(lambda c: publish(c, claim))

    assert {name: states[run_id] for name, run_id in runs.items()} == {
        "stopped": "cancelled",
        "fine": "published",
        "lenient": "published",
        "strict": "skipped",
        "behind": "published",
    }

    def told(name: str) -> list[tuple[object, ...]]:
        record = in_transaction(lambda c: get_run(c, runs[name]))
        return [(e["segment"], e["version"], e["reason"]) for e in record.inputs["segments"]]

    assert told("lenient") == [("stopped", None, "not_published"), ("fine", 1, None)]
    assert told("strict") == [("stopped", None, "not_published")]
    assert told("behind") == [("strict", None, "not_published")]
    strict = in_transaction(lambda c: get_run(c, runs["strict"]))
    assert strict.reason == "reference_not_fresh"
    assert "Refresh stopped" in strict.error
    assert in_transaction(lambda c: publish(c, claim)) == states


def test_a_published_version_cannot_be_changed_or_removed(desk, refresh) -> None:
    desk.apply("buyers")
    refresh("buyers")

    for statement in (
        "UPDATE membership_version SET member_count = 11",
        "DELETE FROM membership_version",
        "TRUNCATE membership_version CASCADE",
    ):
        with pytest.raises(DBAPIError, match="immutable"):
            desk.tell(statement)


def test_deliveries_are_queued_with_the_version_and_replace_older_ones_that_wait(
    desk, refresh
) -> None:
    desk.apply("buyers")
    desk.tell(
        "INSERT INTO export (name, document, active) VALUES"
        " ('on', '{\"name\": \"on\"}', true), ('off', '{\"name\": \"off\"}', false)"
    )
    desk.tell(
        "INSERT INTO export_segment SELECT e.id, s.id FROM export e, segment s"
        " WHERE s.name = 'buyers'"
    )
    refresh("buyers")
    desk.tell('UPDATE export SET document = \'{"name": "on", "changed": 1}\' WHERE name = \'on\'')
    refresh("buyers")

    assert desk.ask(
        "SELECT e.name, d.version, d.state, d.document->>'changed' FROM delivery d"
        " JOIN export e ON e.id = d.export_id ORDER BY d.id"
    ) == [("on", 1, "superseded", None), ("on", 2, "pending", "1")]
    assert desk.ask("SELECT from_state, to_state FROM delivery_event ORDER BY id") == [
        (None, "pending"),
        ("pending", "superseded"),
        (None, "pending"),
    ]


def test_the_record_of_a_run_names_all_who_had_a_part_in_it(desk, refresh, in_transaction) -> None:
    desk.apply("buyers")
    refresh("buyers")

    (record,) = in_transaction(lambda c: list_runs(c, name="buyers"))

    assert record == in_transaction(lambda c: get_run(c, record.run_id))
    assert (record.scheduler, record.worker, record.trigger) == (
        "user test",
        "worker one",
        "manual",
    )
    assert (record.snapshot_id, record.member_count, record.version) == (desk.snapshot_id(), 10, 1)
    assert record.as_of is not None
    assert record.node_counts == {"/rules/0/where": 10}
    assert [e.to_state for e in in_transaction(lambda c: run_events(c, record.run_id))] == [
        "pending",
        "running",
        "evaluated",
        "published",
    ]
