"""Alerts: written with the step they tell of, sent until a receiver took them, signed so that it can be sure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import Engine

from muster_core.errors import InvalidInput, PoisonSegment
from muster_core.rules.document import parse_segment
from muster_core.runs.backoff import Backoff
from muster_core.settings import Settings
from muster_core.storage.alert import take_alerts
from muster_core.storage.database import transaction
from muster_core.storage.run import claim_batch, request_refresh, settle_failure
from muster_core.storage.segment import apply_segment
from muster_scheduler.alert import AlertSender

pytestmark = pytest.mark.integration

KEY = b"a key of at least 16 bytes"
AT_ONCE = Backoff(first=timedelta(0))


class Receiver:
    """A receiver on this machine that keeps what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.came.append((headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


def sender(database: Engine, url: str | None) -> AlertSender:
    secret = f"whsec_{base64.b64encode(KEY).decode()}"
    settings = Settings(
        alert_url=None if url is None else SecretStr(url),
        alert_secret=SecretStr(secret),
        active_segments=1,
    )
    return AlertSender(database, settings, backoff=AT_ONCE)


@pytest.fixture
def failed(database: Engine) -> int:
    """A run that failed for good."""
    with transaction(database) as connection:
        apply_segment(connection, parse_segment({"name": "buyers"}))
        (run,) = request_refresh(connection, names=["buyers"], actor="user")
        claim = claim_batch(connection, worker="w", lease=timedelta(seconds=60))
        assert claim is not None
        settle_failure(connection, claim, claim.run_ids, PoisonSegment("It cannot be."))
    return run.run_id


def outbox(database: Engine) -> list[tuple[object, ...]]:
    with transaction(database) as connection:
        rows = connection.execute(sa.text("SELECT kind, state, attempt FROM alert ORDER BY id"))
        return [tuple(row) for row in rows]


def test_a_failure_is_told_until_it_is_taken_with_one_id_the_same_bytes_and_a_signature(
    database: Engine, failed: int, receiver: Receiver
) -> None:
    receiver.answers = [500, 302]
    hook = sender(database, receiver.url)
    for _ in range(3):
        assert hook.send_waiting() == 1
    assert hook.send_waiting() == 0
    hook.close()

    assert outbox(database) == [("run_failed", "sent", 3)]
    headers, bodies = zip(*receiver.came, strict=True)
    assert len({h["webhook-id"] for h in headers}) == len(set(bodies)) == 1
    message = json.loads(bodies[0])
    assert message["type"] == "muster.run_failed"
    assert message["data"] == {
        "run": failed,
        "segment": "buyers",
        "state": "failed",
        "attempt": 1,
        "due_at": message["data"]["due_at"],
        "error": "poison_segment",
        "message": "It cannot be.",
    }
    for header, body in receiver.came:
        signed = f"{header['webhook-id']}.{header['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        assert header["webhook-signature"] == f"v1,{digest}"


def test_a_sender_that_dies_with_an_alert_in_hand_loses_nothing(
    database: Engine, failed: int, receiver: Receiver
) -> None:
    with transaction(database) as connection:
        assert len(take_alerts(connection, lease=timedelta(0))) == 1
    hook = sender(database, receiver.url)
    assert hook.send_waiting() == 1
    hook.close()
    assert len(receiver.came) == 1
    assert outbox(database) == [("run_failed", "sent", 2)]


def test_a_receiver_that_is_gone_is_left_alone(
    database: Engine, failed: int, receiver: Receiver
) -> None:
    receiver.answers = [410]
    hook = sender(database, receiver.url)
    hook.send_waiting()
    hook.close()
    assert outbox(database) == [("run_failed", "dropped", 1)]


def test_without_a_hook_alerts_are_logged(database: Engine, failed: int) -> None:
    hook = sender(database, None)
    hook.send_waiting()
    hook.close()
    assert outbox(database) == [("run_failed", "sent", 1)]


def test_stale_segments_and_near_limits_are_told_once(database: Engine, failed: int) -> None:
    with transaction(database) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO refresh_run (segment_id, due_at, trigger, state, reason)"
                " SELECT s.id, now() - n * interval '1 hour', 'schedule', d.state, d.reason"
                "   FROM segment s, (VALUES (1, 'failed', 'error'), (2, 'pending', NULL),"
                "                           (3, 'skipped', 'misfire')) AS d(n, state, reason)"
            )
        )
    hook = sender(database, None)
    hook.note()
    hook.note()
    hook.close()
    with transaction(database) as connection:
        told: dict[str, dict[str, object]] = dict(
            connection.execute(
                sa.text("SELECT kind, facts FROM alert WHERE kind <> 'run_failed'")
            ).all()
        )
    assert told["stale"]["missed"] == 2
    assert told["limit"] == {
        "what": "active_segments",
        "level": "reached",
        "number": 1,
        "limit": 1,
    }


def test_a_secret_that_is_none_is_refused_without_being_quoted() -> None:
    with pytest.raises(InvalidInput, match="MUSTER_ALERT_SECRET") as error:
        Settings(alert_secret=SecretStr("hunter2"))
    assert "hunter2" not in error.value.listed()
