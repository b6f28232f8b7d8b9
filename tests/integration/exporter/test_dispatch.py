"""Whose turn it is: how much a connection takes at once, schedules of exports, and what people ask for."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import connect, deliveries, drain, exporter
from tests.integration.exporter.world import World
from tests.waiting import eventually

from muster_core.errors import Conflict, InvalidInput
from muster_core.exports.document import parse_export
from muster_core.storage.connection import detach_connection, note_outcome, pause_connection
from muster_core.storage.database import transaction
from muster_core.storage.delivery import claim_delivery
from muster_core.storage.delivery_control import (
    cancel,
    hold_delivery,
    redeliver,
    resume_delivery,
)
from muster_core.storage.delivery_record import list_deliveries
from muster_core.storage.dispatch import IN_PLACE_MOST
from muster_core.storage.export_request import queue_due_exports, request_delivery
from muster_core.storage.export_table import connection as table
from muster_core.storage.export_table import export
from muster_exporter.crew import Crew

pytestmark = pytest.mark.integration

LEASE = timedelta(seconds=60)


@pytest.fixture
def world(world: World) -> World:
    """Three segments in one export over a connection that takes two at once."""
    connect(world, {"name": "there", "kind": "folder", "path": str(world.target)}, {})
    for name in ("vip", "loyal", "new"):
        world.publish(name)
    world.export(connection="there", segments=["vip", "loyal", "new"])
    return world


def queue(world: World) -> None:
    for name in ("vip", "loyal", "new"):
        world.queue("crm", name, 1)


def take(world: World) -> bool:
    with transaction(world.database) as connection:
        return claim_delivery(connection, exporter="one", lease=LEASE) is not None


def test_a_named_folder_gets_its_deliveries(world):
    queue(world)
    drain(world)

    assert {d.state for d in deliveries(world)} == {"delivered"}
    assert (world.folder("crm", "vip", 1) / "manifest.json").exists()


def test_a_connection_takes_no_more_than_it_says(world):
    queue(world)

    assert [take(world), take(world), take(world)] == [True, True, False]


def test_an_export_that_names_its_folder_leaves_threads_to_others(world):
    names = [f"s{number}" for number in range(IN_PLACE_MOST + 1)]
    for name in names:
        world.publish(name)
    world.export(name="hangs", segments=names)
    world.export(name="other", segments=names[:1])
    for name in names:
        world.queue("hangs", name, 1)
    world.queue("other", names[0], 1)

    taken = []
    with transaction(world.database) as connection:
        while claim := claim_delivery(connection, exporter="one", lease=LEASE):
            taken.append(claim.export)
    assert taken == ["hangs"] * IN_PLACE_MOST + ["other"]


def test_while_one_claims_for_a_connection_others_go_on_without_waiting(world):
    queue(world)
    world.publish("other")
    world.export(name="elsewhere", segments=["other"])
    world.queue("elsewhere", "other", 1)
    with (
        transaction(world.database) as first,
        transaction(world.database) as second,
    ):
        one = claim_delivery(first, exporter="one", lease=LEASE)
        two = claim_delivery(second, exporter="two", lease=LEASE)
        three = claim_delivery(second, exporter="two", lease=LEASE)

    assert one is not None
    assert two is not None
    assert (one.export, two.export, three) == ("crm", "elsewhere", None)


def test_of_one_segment_one_version_is_sent_at_a_time(world):
    queue(world)
    world.queue("crm", "vip", world.publish("vip"))
    assert take(world)
    with transaction(world.database) as connection:
        second = claim_delivery(connection, exporter="one", lease=LEASE)

    assert second is not None
    assert second.segment == "loyal"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("paused", "its connection is paused"),
        ("disabled", "its connection is disabled: gone"),
        ("closed", "its destination, which failed several times, is left alone"),
    ],
)
def test_a_connection_that_is_not_to_be_used_gets_nothing(world, fault, said):
    queue(world)
    with transaction(world.database) as connection:
        number = connection.execute(sa.select(table.c.id)).scalar_one()
        if fault == "paused":
            pause_connection(connection, "there", paused=True, actor="test")
        elif fault == "disabled":
            note_outcome(connection, number, transient_failure=False, gone="gone")
        else:
            for _ in range(5):
                note_outcome(connection, number, transient_failure=True)
    assert not take(world)
    with transaction(world.database) as connection:
        assert {d.waits_for for d in list_deliveries(connection)} == {said}
        pause_connection(connection, "there", paused=False, actor="test")
        assert {d.waits_for for d in list_deliveries(connection)} == {None}

    assert take(world)


def test_what_somebody_holds_stays_held_when_a_pause_ends(world):
    queue(world)
    with transaction(world.database) as connection:
        first, *others = [d.id for d in list_deliveries(connection)]
        hold_delivery(connection, first, actor="somebody")
        assert pause_connection(connection, "there", paused=True, actor="test") == len(others)
        assert {d.state for d in list_deliveries(connection)} == {"held"}
        assert pause_connection(connection, "there", paused=False, actor="test") == len(others)
        assert [d.id for d in list_deliveries(connection) if d.state == "held"] == [first]


def test_after_it_was_left_alone_one_delivery_tries_first(world):
    queue(world)
    with transaction(world.database) as connection:
        number = connection.execute(sa.select(table.c.id)).scalar_one()
        for _ in range(5):
            note_outcome(connection, number, transient_failure=True)
        connection.execute(table.update().values(closed_until=sa.func.now()))
    assert [take(world), take(world)] == [True, False]
    with transaction(world.database) as connection:
        note_outcome(connection, number, transient_failure=False)

    assert take(world)


def test_a_destination_that_hangs_delays_no_other(world, tmp_path):
    queue(world)
    other = tmp_path / "other"
    other.mkdir()
    world.publish("quick")
    world.export(
        name="quick", connection={"kind": "folder", "path": str(other)}, segments=["quick"]
    )
    hanging, woken = threading.Event(), threading.Event()
    worker = exporter(world)

    def take_one():
        task = worker.take()
        if task is None:
            return None
        claim = cast(Any, task).args[0]
        if claim.connection_id is None:
            return task
        return lambda: hanging.wait(60) and None

    crew = Crew(take_one, most=3, wake=woken.set)
    while crew.work():
        pass
    for version in range(1, 6):
        world.queue("quick", "quick", version if version == 1 else world.publish("quick"))
        eventually(crew.work, 10)
        eventually(
            lambda: (other / "quick" / "quick" / f"version={version}" / "manifest.json").exists(),  # noqa: B023
            10,
        )
    hanging.set()
    crew.close(10)
    assert woken.is_set()


def test_what_is_held_waits_until_it_is_released(world):
    world.queue("crm", "vip", 1)
    (found,) = deliveries(world)
    with transaction(world.database) as connection:
        assert hold_delivery(connection, found.id, actor="test") == "held"
    assert not take(world)
    with transaction(world.database) as connection:
        assert resume_delivery(connection, found.id, actor="test") == "pending"
        with pytest.raises(Conflict):
            resume_delivery(connection, found.id, actor="test")
    assert take(world)


def test_a_delivery_is_cancelled_and_repeated_under_the_same_names(world):
    world.queue("crm", "vip", 1)
    (found,) = deliveries(world)
    with transaction(world.database) as connection:
        assert cancel(connection, found.id, actor="test") == "cancelled"
    drain(world)
    assert deliveries(world)[0].state == "cancelled"
    with transaction(world.database) as connection:
        redeliver(connection, found.id, actor="test")
    drain(world)
    folder = world.folder("crm", "vip", 1)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with transaction(world.database) as connection:
        redeliver(connection, found.id, actor="test")
    drain(world)

    assert deliveries(world)[0].state == "delivered"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_what_runs_is_asked_to_stop(world):
    world.queue("crm", "vip", 1)
    assert take(world)
    with transaction(world.database) as connection:
        assert cancel(connection, deliveries(world)[0].id, actor="test") == "running"


def test_an_export_with_times_of_its_own_delivers_what_is_new_then(world):
    world.export(
        connection="there",
        segments=["vip", "loyal"],
        schedule={"cron": "0 6 * * *", "timezone": "Europe/Berlin"},
    )

    def due() -> int:
        with transaction(world.database) as connection:
            connection.execute(
                export.update().values(next_due_at=sa.text("clock_timestamp() - interval '3 days'"))
            )
            return queue_due_exports(connection)

    assert due() == 1
    drain(world)
    assert sorted(d.segment for d in deliveries(world)) == ["loyal", "vip"]
    world.publish("vip")
    assert due() == 1
    with transaction(world.database) as connection:
        assert queue_due_exports(connection) == 0
    assert [(d.segment, d.version, d.state) for d in deliveries(world)[:1]] == [
        ("vip", 2, "pending")
    ]
    assert len(deliveries(world)) == 3


def test_a_request_supersedes_an_older_version_that_waits(world):
    world.queue("crm", "vip", 1)
    world.publish("vip")
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")

    states = {(d.segment, d.version): d.state for d in deliveries(world)}
    assert states["vip", 1] == "superseded"
    assert states["vip", 2] == "pending"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"schedule": "hourly"}, "/schedule"),
        ({"schedule": {"cron": "no"}}, "/schedule"),
        ({"schedule": {"cron": "0 6 * * *", "timezone": "Mars"}}, "/schedule"),
        ({"schedule": "manual", "policy": "every"}, ""),
        ({"connection": "Not A Name"}, "/connection"),
        ({"mode": "some"}, "/mode"),
    ],
)
def test_a_schedule_that_is_none_is_refused(changes, pointer):
    with pytest.raises(InvalidInput) as caught:
        parse_export({"name": "crm", "connection": "there", "segments": ["vip"], **changes})
    assert [p.pointer for p in caught.value.problems] == [pointer]


def test_what_is_held_for_a_connection_that_is_taken_away_is_cancelled(world):
    world.queue("crm", "vip", 1)
    with transaction(world.database) as connection:
        hold_delivery(connection, deliveries(world)[0].id, actor="test")
        detach_connection(connection, "there")
    assert deliveries(world)[0].state == "cancelled"
