"""Whether a service has signed on, and when it was last heard of, as the table `process` says."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest

from muster_console.parts.heartbeat import Heartbeat, heartbeat_of, read_heartbeats
from muster_console.parts.home import Home
from muster_console.parts.service import Service
from muster_console.parts.state import ChildRecord, ChildState

pytestmark = pytest.mark.integration
PID = os.getpid()


def sign_on(url: str, *, host: str, kind: str, ago: float) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM process")
        connection.execute(
            """INSERT INTO process (name, kind, host, pid, started_at, seen_at)
               VALUES (%(name)s, %(kind)s, %(host)s, %(pid)s, %(at)s, %(at)s)""",
            {
                "name": f"{kind}@{host}:{PID}",
                "kind": kind,
                "host": host,
                "pid": PID,
                "at": datetime.fromtimestamp(time.time() - ago, UTC),
            },
        )


def test_only_the_process_itself_signs_on(database_url: str, tmp_path: Path) -> None:
    url = f"postgresql://{database_url.partition('://')[2]}"
    service = Service("worker", Home(tmp_path), addresses={}, database_url=url, stop_seconds=1.0)
    here = socket.gethostname()
    before_it_started = time.time() - psutil.Process().create_time() + 60
    assert not service.is_ready(PID)
    for host, kind, ago in (
        ("elsewhere", "worker", 0.0),
        (here, "exporter", 0.0),
        (here, "worker", before_it_started),
    ):
        sign_on(url, host=host, kind=kind, ago=ago)
        assert not service.is_ready(PID), (host, kind, ago)
    sign_on(url, host=here, kind="worker", ago=0.0)
    assert service.is_ready(PID)


def test_only_signs_of_life_of_this_host_are_read(database_url: str) -> None:
    sign_on(f"postgresql://{database_url.partition('://')[2]}", host="x", kind="worker", ago=0.0)
    assert read_heartbeats(database_url) == {}


def test_a_sign_of_life_of_an_earlier_process_is_not_shown() -> None:
    now = time.time()
    child = ChildRecord(
        name="worker", kind="service", state=ChildState.READY, pid=PID, since=now - 30
    )
    for ago, shown in ((1, True), (60, False)):
        beat = Heartbeat(pid=PID, seen_at=datetime.fromtimestamp(now - ago, UTC), doing=None)
        assert (heartbeat_of(child, {PID: beat}) is beat) is shown
