"""Messages to a real HTTP server that fails, hangs up, asks for patience and sees everything twice."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.exporter.connected import connect, connection_of, deliveries, drain, exporter
from tests.integration.exporter.world import World
from tests.receiver import OK, Answer, Receiver, running_receiver

from muster_core.storage.connection import ask_test
from muster_core.storage.database import transaction
from muster_core.storage.delivery_control import redeliver
from muster_core.storage.export_request import request_delivery
from muster_core.storage.export_table import connection as table
from muster_core.storage.export_table import delivery
from muster_exporter import message

pytestmark = pytest.mark.integration

KEY = b"a key of thirty-two bytes, canary"[:32]
SECRET = {"signing_secret": f"whsec_{base64.b64encode(KEY).decode()}"}


@pytest.fixture
def hook(world: World) -> Iterator[Receiver]:
    """A receiver, and a connection to it."""
    with running_receiver(KEY) as receiver:
        document = {"name": "there", "kind": "webhook", "url": receiver.url, "chunk_bytes": 20_000}
        connect(world, document, SECRET)
        world.publish("vip")
        world.export(connection="there")
        world.queue("crm", "vip", 1)
        yield receiver


def received(hook: Receiver) -> list[dict[str, object]]:
    """Return the rows in the order of their messages, each message once."""
    found = {json.loads(b)["data"].get("number", -1): json.loads(b) for _, b in hook.taken}
    return [row for n in sorted(found) if n >= 0 for row in found[n]["data"]["rows"]]


def test_every_row_arrives_in_signed_messages_and_the_end_comes_last(world, hook):
    drain(world)

    wanted = world.members("vip", 1, ["id", "email", "age", "note"]).to_pylist()
    rows = received(hook)
    assert [r["id"] for r in rows] == [w["id"] for w in wanted]
    assert [(r["email"], r["age"], r["note"]) for r in rows] == [
        (w["email"], w["age"], w["note"]) for w in wanted
    ]
    last = json.loads(hook.taken[-1][1])
    assert last["type"] == "muster.version"
    assert last["data"]["members"] == len(wanted)
    assert last["data"]["messages"] == len(hook.taken) - 1
    assert all(len(body) <= 20_000 for _, body in hook.taken[:-1])
    assert hook.forged == 0


def test_a_receiver_that_fails_and_hangs_up_gets_everything_under_constant_ids(
    world, hook, monkeypatch
):
    monkeypatch.setattr(message, "_WAITS", (0.01, 0.01))
    chance = random.Random(6)

    def behave(_: str, __: bytes) -> Answer:
        drawn = chance.random()
        if drawn < 0.3:
            return (500, {}, b"")
        if drawn < 0.4:
            return None  # taken, and the answer lost
        return (429, {"retry-after": "0"}, b"") if drawn < 0.5 else OK

    hook.behave = behave
    for _ in range(500):
        drain_open(world)
        if deliveries(world)[0].state != "pending":
            break

    assert deliveries(world)[0].state == "delivered"
    assert len(received(hook)) == world.members("vip", 1, ["id"]).num_rows
    assert all(len(bodies) == 1 for bodies in hook.bodies().values())
    assert len(hook.bodies()) == json.loads(hook.taken[-1][1])["data"]["messages"] + 1


def drain_open(world: World) -> None:
    """Try once, with the circuit closed again whatever happened before."""
    with transaction(world.database) as connection:
        connection.execute(table.update().values(closed_until=None))
        connection.execute(
            delivery.update()
            .where(delivery.c.state == "pending")
            .values(available_at=sa.func.clock_timestamp())
        )
    exporter(world).work()


def test_retry_after_is_kept_to(world, hook):
    hook.behave = lambda _id, _body: (503, {"retry-after": "1000"}, b"")
    exporter(world).work()

    with transaction(world.database) as connection:
        wait: Any = connection.scalar(
            sa.select(sa.extract("epoch", delivery.c.available_at - sa.func.clock_timestamp()))
        )
    assert deliveries(world)[0].state == "pending"
    assert 900 < float(wait) <= 1000


def test_a_wait_that_nobody_can_read_is_the_usual_one(world, hook, monkeypatch):
    monkeypatch.setattr(message, "_WAITS", ())
    hook.behave = lambda _id, _body: (503, {"retry-after": "\u00b2"}, b"")
    exporter(world).work()
    (found,) = deliveries(world)
    assert (found.state, found.error_class) == ("pending", "target_unavailable")


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_lasting_answer_ends_the_delivery_at_once(world, hook, status):
    hook.behave = lambda _id, _body: (status, {"location": "http://169.254.169.254/"}, b"canary")
    exporter(world).work()

    (found,) = deliveries(world)
    assert (found.state, found.error_class) == ("failed", "target_refused")
    assert "canary" not in str(found.error)


def test_a_receiver_that_is_gone_gets_nothing_more_until_somebody_says_so(world, hook):
    hook.behave = lambda _id, _body: (410, {}, b"")
    exporter(world).work()
    world.queue("crm", "vip", world.publish("vip"))

    assert deliveries(world)[1].state == "failed"
    assert connection_of(world).disabled
    assert not exporter(world).work()


def test_after_five_failures_the_receiver_is_left_alone(world, hook, monkeypatch):
    monkeypatch.setattr(message, "_WAITS", ())
    hook.behave = lambda _id, _body: (500, {}, b"")
    with transaction(world.database) as connection:
        connection.execute(delivery.update().values(max_attempts=100))
    for _ in range(5):
        with transaction(world.database) as connection:
            connection.execute(delivery.update().values(available_at=sa.func.now()))
        assert exporter(world).work()
    with transaction(world.database) as connection:
        connection.execute(delivery.update().values(available_at=sa.func.now()))

    assert connection_of(world).closed_until is not None
    assert not exporter(world).work()


def test_a_test_sends_one_signed_message(world, hook):
    with transaction(world.database) as connection:
        ask_test(connection, "there")
    exporter(world).work()

    assert connection_of(world).test_error is None
    assert [json.loads(body)["type"] for _, body in hook.taken] == ["muster.test"]


def test_a_delivery_that_moves_on_never_runs_out_of_attempts(world, hook):
    seen: set[str] = set()

    def behave(message_id: str, _: bytes) -> Answer:
        if message_id in seen:
            return OK
        seen.add(message_id)
        return (429, {"retry-after": "60"}, b"")  # longer than anybody waits for in place

    hook.behave = behave
    for _ in range(200):
        drain_open(world)
        if deliveries(world)[0].state != "pending":
            break

    assert deliveries(world)[0].state == "delivered"
    assert len(seen) > 5  # as many failures, one for each message
    assert len(received(hook)) == world.members("vip", 1, ["id"]).num_rows


def test_a_message_is_sent_again_at_once_where_the_receiver_lives(world, hook, monkeypatch):
    monkeypatch.setattr(message, "_WAITS", (0.01,))
    seen: set[str] = set()

    def behave(message_id: str, _: bytes) -> Answer:
        if message_id in seen:
            return OK
        seen.add(message_id)
        # the first one is answered; of the others one is taken and the answer lost
        return (500, {}, b"") if len(seen) != 2 else None

    hook.behave = behave
    with transaction(world.database) as connection:
        connection.execute(delivery.update().values(max_attempts=1))
    assert exporter(world).work()

    assert deliveries(world)[0].state == "delivered"
    assert len(received(hook)) == world.members("vip", 1, ["id"]).num_rows


def test_what_arrived_is_sent_again_under_its_ids_where_somebody_asks_for_it(world, hook):
    drain(world)
    first = list(hook.taken)
    with transaction(world.database) as connection:
        request_delivery(connection, "crm", actor="test")
    drain(world)
    assert sorted(hook.taken) == sorted(first + first)

    with transaction(world.database) as connection:
        redeliver(connection, deliveries(world)[0].id, actor="test")
    drain(world)
    assert sorted(hook.taken) == sorted(first * 3)
