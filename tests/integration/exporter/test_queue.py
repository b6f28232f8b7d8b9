from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.exporter.world import World

from muster_core.errors import (
    Conflict,
    InvalidInput,
    LeaseLost,
    NotFound,
    StoreDamaged,
    TargetUnavailable,
)
from muster_core.exports.claim import Chunk, ClaimedDelivery
from muster_core.runs.backoff import Backoff
from muster_core.storage.database import transaction
from muster_core.storage.delivery import (
    checkpoint_chunk,
    claim_delivery,
    fail_delivery,
    finish_delivery,
    heartbeat_delivery,
    reap_deliveries,
    release_delivery,
)
from muster_core.storage.delivery_record import list_deliveries
from muster_core.storage.export import (
    apply_export,
    delete_export,
    get_export,
    list_exports,
    set_export_active,
)
from muster_core.storage.export_request import request_delivery
from muster_core.storage.export_table import delivery, delivery_chunk, delivery_event, export
from muster_core.storage.process_table import alert

pytestmark = pytest.mark.integration

LEASE = timedelta(seconds=60)
BACKOFF = Backoff(first=timedelta(seconds=30))
CHUNK = Chunk(number=0, name="part-00000.csv", rows=5, bytes=50, sha256="ab")


@pytest.fixture
def queued(world: World) -> World:
    """One version of one segment, queued for one export."""
    version = world.publish("vip")
    world.export()
    world.queue("crm", "vip", version)
    return world


def claim(world: World, exporter: str = "one") -> ClaimedDelivery:
    with transaction(world.database) as connection:
        taken = claim_delivery(connection, exporter=exporter, lease=LEASE)
    assert taken is not None
    return taken


def stored(world: World) -> Any:
    with transaction(world.database) as connection:
        return connection.execute(sa.select(delivery)).one()


def events(world: World) -> list[tuple[str | None, str, str]]:
    with transaction(world.database) as connection:
        rows = connection.execute(sa.select(delivery_event).order_by(delivery_event.c.id))
        return [(e.from_state, e.to_state, e.reason) for e in rows]


def expire(world: World) -> None:
    with transaction(world.database) as connection:
        connection.execute(
            delivery.update().values(
                lease_expires_at=sa.text("clock_timestamp() - interval '1 second'")
            )
        )


def test_a_claim_holds_everything_a_delivery_needs(queued):
    taken = claim(queued)

    assert (taken.export, taken.segment, taken.version, taken.attempt) == ("crm", "vip", 1, 1)
    assert taken.pointer == queued.pointers["vip", 1]
    assert (taken.snapshot, taken.snapshot_sha256) == queued.snapshot
    assert taken.document == queued.document().to_json()
    assert taken.chunks == ()


def test_what_is_claimed_is_not_claimed_again(queued):
    claim(queued)

    with transaction(queued.database) as connection:
        assert claim_delivery(connection, exporter="two", lease=LEASE) is None


def test_a_claim_in_an_open_transaction_is_skipped_not_waited_for(queued):
    with (
        transaction(queued.database) as first,
        transaction(queued.database) as second,
    ):
        assert claim_delivery(first, exporter="one", lease=LEASE) is not None
        assert claim_delivery(second, exporter="two", lease=LEASE) is None


def test_a_lost_lease_returns_at_once_with_its_files_and_fences_the_old_holder_off(queued):
    old = claim(queued)
    with transaction(queued.database) as connection:
        checkpoint_chunk(connection, old, CHUNK)
    expire(queued)
    with transaction(queued.database) as connection:
        reaped = reap_deliveries(connection)
    new = claim(queued, "two")

    assert (reaped.returned, reaped.failed) == (1, 0)
    assert (new.attempt, new.chunks) == (2, (CHUNK,))
    assert new.fence > old.fence
    with transaction(queued.database) as connection:
        assert not heartbeat_delivery(connection, old, LEASE).held
        assert heartbeat_delivery(connection, new, LEASE).held
        assert not release_delivery(connection, old)
    for write in (
        lambda c: checkpoint_chunk(c, old, CHUNK),
        lambda c: finish_delivery(c, old, rows=1, size=1, location="/x"),
        lambda c: fail_delivery(c, old, TargetUnavailable(), backoff=BACKOFF),
    ):
        with pytest.raises(LeaseLost), transaction(queued.database) as connection:
            write(connection)
    assert stored(queued).state == "running"


def test_a_delivery_that_kills_every_exporter_runs_out_of_attempts(queued):
    for _ in range(5):
        claim(queued)
        expire(queued)
        with transaction(queued.database) as connection:
            reaped = reap_deliveries(connection)

    assert (reaped.returned, reaped.failed) == (0, 1)
    row = stored(queued)
    assert (row.state, row.reason, row.attempt, row.error_class) == (
        "failed",
        "gave_up",
        5,
        "lease_expired",
    )


def test_a_passing_fault_waits_and_a_lasting_one_ends(queued):
    taken = claim(queued)
    with transaction(queued.database) as connection:
        fail_delivery(connection, taken, TargetUnavailable(), backoff=BACKOFF)
        assert claim_delivery(connection, exporter="one", lease=LEASE) is None
    row = stored(queued)
    assert (row.state, row.reason, row.error_class) == ("pending", "retry", "target_unavailable")
    with transaction(queued.database) as connection:
        connection.execute(delivery.update().values(available_at=sa.func.clock_timestamp()))
    again = claim(queued)
    with transaction(queued.database) as connection:
        fail_delivery(connection, again, StoreDamaged(), backoff=BACKOFF)

    row = stored(queued)
    assert (row.state, row.reason, row.lease_expires_at) == ("failed", "refused", None)


def test_finishing_twice_is_finishing_once(queued):
    taken = claim(queued)
    for _ in range(2):
        with transaction(queued.database) as connection:
            finish_delivery(connection, taken, rows=7, size=70, location="/x")

    assert [move for _, move, _ in events(queued)] == ["pending", "running", "delivered"]
    assert (stored(queued).rows, stored(queued).bytes) == (7, 70)


def test_every_move_has_one_event(queued):
    taken = claim(queued)
    with transaction(queued.database) as connection:
        release_delivery(connection, taken)
    finish = claim(queued)
    with transaction(queued.database) as connection:
        finish_delivery(connection, finish, rows=7, size=70, location="/x")
        request_delivery(connection, "crm", actor="me")

    assert events(queued) == [
        (None, "pending", "published"),
        ("pending", "running", "claimed"),
        ("running", "pending", "released"),
        ("pending", "running", "claimed"),
        ("running", "delivered", "acknowledged"),
        ("delivered", "pending", "requested"),
    ]
    assert finish.attempt == 1


def test_a_cancel_request_reaches_the_holder(queued):
    taken = claim(queued)
    with transaction(queued.database) as connection:
        connection.execute(delivery.update().values(cancel_requested=True))
        answer = heartbeat_delivery(connection, taken, LEASE)

    assert (answer.held, answer.cancelled) == (True, True)


def test_applying_the_same_export_again_changes_nothing(world):
    world.publish("vip")
    world.publish("lapsed")
    with transaction(world.database) as connection:
        changes = [
            apply_export(connection, world.document()),
            apply_export(connection, world.document()),
            apply_export(connection, world.document(segments=["vip", "lapsed"])),
            apply_export(connection, world.document(segments=["lapsed"])),
        ]
        (only,) = list_exports(connection)

    assert changes == ["created", "unchanged", "changed", "changed"]
    assert only.document.segments == ["lapsed"]


def test_an_unknown_segment_is_refused_with_the_nearest_name(world):
    world.publish("big_spenders")

    with pytest.raises(NotFound, match="big_spenders"), transaction(world.database) as connection:
        apply_export(connection, world.document(segments=["big_spender"]))


def test_unknown_columns_and_an_unfit_folder_are_all_told_at_once(world):
    world.publish("vip")
    gone = world.target / "gone"
    document = world.document(
        columns=["emial", "age", {"column": "note", "as": "id"}],
        connection={"kind": "folder", "path": str(gone)},
    )

    with pytest.raises(InvalidInput) as caught, transaction(world.database) as connection:
        apply_export(connection, document)

    assert [p.pointer for p in caught.value.problems] == [
        "/columns/0",
        "/columns",
        "/connection/path",
    ]
    assert "email" in str(caught.value.problems[0])
    assert "does not exist" in str(caught.value.problems[2])
    with transaction(world.database) as connection:
        assert list_exports(connection) == []


def test_an_unknown_export_is_refused_with_the_nearest_name(queued):
    with pytest.raises(NotFound, match="crm"), transaction(queued.database) as connection:
        get_export(connection, "crn")


def test_asking_for_a_delivery_queues_each_version_once(world):
    world.publish("vip")
    world.export(segments=["vip"])
    with transaction(world.database) as connection:
        first = request_delivery(connection, "crm", actor="me")
        again = request_delivery(connection, "crm", actor="me")
        waiting = list_deliveries(connection)

    assert first == again
    assert [(d.segment, d.version, d.state) for d in waiting] == [("vip", 1, "pending")]


def test_a_version_never_delivered_takes_the_present_document(queued):
    taken = claim(queued)
    with transaction(queued.database) as connection:
        checkpoint_chunk(connection, taken, CHUNK)
        fail_delivery(connection, taken, StoreDamaged(), backoff=BACKOFF)
    changed = queued.export(format="parquet")

    with transaction(queued.database) as connection:
        (requested,) = request_delivery(connection, "crm", actor="me")
        chunks = connection.execute(sa.select(delivery_chunk)).all()

    assert (requested.state, requested.outdated) == ("pending", False)
    assert stored(queued).document == changed.to_json()
    assert chunks == []


def test_a_delivered_version_keeps_the_document_it_was_delivered_with(queued):
    taken = claim(queued)
    with transaction(queued.database) as connection:
        finish_delivery(connection, taken, rows=7, size=70, location="/x")
    queued.export(format="parquet")

    with transaction(queued.database) as connection:
        (requested,) = request_delivery(connection, "crm", actor="me")

    assert requested.outdated
    assert stored(queued).document["format"] == "csv"


def test_switching_off_cancels_what_waits_and_on_demand_still_works(queued):
    with transaction(queued.database) as connection:
        assert set_export_active(connection, "crm", active=False)
        assert not set_export_active(connection, "crm", active=False)
        (cancelled,) = list_deliveries(connection)
        (requested,) = request_delivery(connection, "crm", actor="me")
        assert not get_export(connection, "crm").active

    assert cancelled.state == "cancelled"
    assert requested.state == "pending"


@pytest.mark.parametrize("changes", [{"active": False}, {"segments": ["lapsed"]}])
def test_what_a_changed_export_no_longer_sends_is_cancelled(queued, changes):
    queued.publish("lapsed")
    queued.export(**changes)

    assert (stored(queued).state, stored(queued).lease_expires_at) == ("cancelled", None)
    assert events(queued)[-1] == ("pending", "cancelled", "cancelled")


def test_another_change_leaves_what_waits_alone(queued):
    queued.export(format="parquet")

    assert (stored(queued).state, stored(queued).document["format"]) == ("pending", "csv")


def test_deleting_is_refused_while_a_delivery_runs(queued):
    taken = claim(queued)
    with pytest.raises(Conflict, match="running"), transaction(queued.database) as connection:
        delete_export(connection, "crm")
    with transaction(queued.database) as connection:
        checkpoint_chunk(connection, taken, CHUNK)
        finish_delivery(connection, taken, rows=7, size=70, location="/x")

        assert delete_export(connection, "crm") == 1
        assert connection.execute(sa.select(export)).all() == []
        assert connection.execute(sa.select(delivery_event)).all() == []


def test_an_export_that_failed_once_can_be_deleted(queued):
    taken = claim(queued)
    with transaction(queued.database) as connection:
        fail_delivery(connection, taken, StoreDamaged(), backoff=BACKOFF)
        assert connection.execute(sa.select(alert)).all() != []
        assert delete_export(connection, "crm") == 1
        assert connection.execute(sa.select(alert)).all() == []


def test_a_stored_document_nobody_can_read_fails_alone(queued):
    with transaction(queued.database) as connection:
        connection.execute(delivery.update().values(document={"from": "the future"}))

    assert claim(queued).document == {"from": "the future"}
