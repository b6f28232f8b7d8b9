from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy import Engine
from tests.waiting import eventually

from muster_core.queue.app import KEY_PREFIX
from muster_core.rules.document import parse_segment
from muster_core.storage.database import transaction
from muster_core.storage.segment import apply_segment

pytestmark = pytest.mark.integration

NO_SERVER = "redis://127.0.0.1:1/0"


@contextmanager
def scheduler(home: Path, database_url: str, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler process that ticks five times a second, stopped at the end."""
    environment = {
        **os.environ,
        "MUSTER_HOME": str(home),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MUSTER_SWEEP_SECONDS": "0.2",
        "MUSTER_REAPER_SECONDS": "0.2",
    }
    log = home / "scheduler.log"
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "muster_scheduler"], env=environment, stderr=written
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, log.read_text()


@pytest.fixture
def ask(database: Engine):
    def run(query: str):
        with transaction(database) as connection:
            return connection.execute(sa.text(query)).all()

    return run


@pytest.fixture
def tell(database: Engine):
    def run(statement: str) -> None:
        with transaction(database) as connection:
            connection.execute(sa.text(statement))

    return run


@pytest.fixture
def buyers(database: Engine) -> None:
    document = parse_segment({"name": "buyers", "schedule": {"cron": "0 0 1 1 *"}})
    with transaction(database) as connection:
        apply_segment(connection, document)
        connection.execute(sa.text("UPDATE segment SET next_due_at = clock_timestamp()"))


@pytest.mark.usefixtures("buyers")
def test_with_redis_gone_every_instant_still_has_its_run(tmp_path, database_url, ask) -> None:
    with scheduler(tmp_path, database_url, NO_SERVER):
        eventually(lambda: ask("SELECT 1 FROM refresh_run"), timeout=20)

    ((planned_by, state),) = ask("SELECT scheduler, state FROM refresh_run")
    assert planned_by.startswith("scheduler@")
    assert state == "pending"


@pytest.mark.usefixtures("buyers")
def test_two_schedulers_and_one_of_them_killed_plan_each_instant_once(
    tmp_path, database_url, ask, tell
) -> None:
    with scheduler(tmp_path, database_url, NO_SERVER):
        with scheduler(tmp_path, database_url, NO_SERVER):
            eventually(lambda: ask("SELECT 1 FROM process OFFSET 1"), timeout=20)
        for instant in range(1, 6):
            tell(
                f"UPDATE segment SET next_due_at = '2026-01-01Z'::timestamptz"  # noqa: S608
                f" + interval '{instant} minutes', schedule ="
                ' \'{"kind": "cron", "cron": "0 0 1 1 *", "timezone": "UTC"}\''
            )
            eventually(lambda: not ask("SELECT 1 FROM segment WHERE next_due_at < now()"))

    assert ask("SELECT 1 FROM refresh_run GROUP BY segment_id, due_at HAVING count(*) > 1") == []
    assert len(ask("SELECT 1 FROM refresh_run WHERE due_at < '2026-01-02Z'")) == 5


@pytest.mark.usefixtures("buyers")
def test_hints_that_were_wiped_out_are_sent_again(tmp_path, database_url, redis_url, ask) -> None:
    server = redis.Redis.from_url(redis_url)
    server.flushall()
    with scheduler(tmp_path, database_url, redis_url):
        eventually(lambda: server.llen(f"{KEY_PREFIX}kick"), timeout=20)
        server.flushall()
        eventually(lambda: server.llen(f"{KEY_PREFIX}kick"))
    server.flushall()
    server.close()


def test_it_waits_for_a_database_that_is_not_there(tmp_path) -> None:
    gone = "postgresql://nobody:secret@127.0.0.1:1/none"
    log = tmp_path / "scheduler.log"
    with scheduler(tmp_path, gone, NO_SERVER) as process:
        eventually(lambda: log.read_text().count("tick put off") >= 2, timeout=20)
        assert process.poll() is None

    assert "secret" not in log.read_text()


def test_an_abandoned_run_is_taken_back(tmp_path, database_url, buyers, ask, tell) -> None:
    tell(
        "WITH b AS (INSERT INTO batch (fence, worker, state, runs, as_of)"
        " VALUES (nextval('fence_seq'), 'dead', 'running', 1, now()) RETURNING id, fence)"
        " INSERT INTO refresh_run (segment_id, due_at, trigger, state, attempt, fence, batch_id,"
        " lease_owner, lease_expires_at)"
        " SELECT s.id, '2026-01-01Z', 'schedule', 'running', 1, b.fence, b.id, 'dead',"
        " now() - interval '1 second' FROM segment s, b"
    )
    with scheduler(tmp_path, database_url, NO_SERVER):
        eventually(lambda: ask("SELECT 1 FROM batch WHERE state = 'lost'"), timeout=20)

    assert ask("SELECT state, reason FROM refresh_run WHERE due_at = '2026-01-01Z'") == [
        ("pending", "lease_lost")
    ]


def test_it_signs_off_when_it_is_stopped(tmp_path, database_url, ask) -> None:
    with scheduler(tmp_path, database_url, NO_SERVER):
        eventually(lambda: ask("SELECT 1 FROM process WHERE kind = 'scheduler'"), timeout=20)

    assert ask("SELECT 1 FROM process") == []
