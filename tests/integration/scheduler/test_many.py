"""Several schedulers, killed at random, plan every due instant exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from tests.waiting import eventually

from muster_core.rules.document import parse_segment
from muster_core.storage.database import transaction
from muster_core.storage.segment import apply_segment

pytestmark = pytest.mark.integration

NO_SERVER = "redis://127.0.0.1:1/0"


def start(folder: Path, database_url: str) -> subprocess.Popen[bytes]:
    with (folder / "schedulers.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "muster_scheduler"],
            env={
                **os.environ,
                "MUSTER_HOME": str(folder),
                "DATABASE_URL": database_url,
                "REDIS_URL": NO_SERVER,
                "MUSTER_SWEEP_SECONDS": "0.2",
                "MUSTER_REAPER_SECONDS": "0.2",
            },
            stderr=log,
        )


def end_all(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait(10)


#: As many as `make test` has time for; ten thousand, whose runs end, are in tests/chaos.
INSTANTS, SCHEDULERS, SECONDS = 1_000, 3, 6


def test_schedulers_killed_at_random_plan_every_instant_exactly_once(
    tmp_path: Path, database: Engine, database_url: str
) -> None:
    yearly = parse_segment({"name": "model", "schedule": {"cron": "0 0 1 1 *"}})
    with transaction(database) as connection:
        apply_segment(connection, yearly)
        connection.execute(
            sa.text(
                """INSERT INTO segment (name, type, state, document, rule_hash, schedule, next_due_at)
                   SELECT 'copy' || n, type, state, document, rule_hash, schedule,
                          clock_timestamp() + n * CAST(:each AS interval)
                     FROM segment, generate_series(1, :count) n"""
            ),
            {"count": INSTANTS, "each": f"{1_000_000 * SECONDS // INSTANTS} microseconds"},
        )
        due = connection.execute(
            sa.text("SELECT id, next_due_at FROM segment WHERE name <> 'model'")
        ).all()

    chance, killed = random.Random(7), 0
    with ExitStack() as stack:
        running = [start(tmp_path, database_url) for _ in range(SCHEDULERS)]
        stack.callback(end_all, running)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 1.5))  # a kill each second, whatever they are at
            victim = chance.randrange(SCHEDULERS)
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait(10)
            killed += 1
            running[victim] = start(tmp_path, database_url)

        def planned() -> bool:
            with transaction(database) as connection:
                return not connection.scalar(
                    sa.text("SELECT count(*) FROM segment WHERE next_due_at < clock_timestamp()")
                )

        eventually(planned, 60)

    with transaction(database) as connection:
        rows = connection.execute(
            sa.text("SELECT segment_id, due_at, state FROM refresh_run")
        ).all()
        events = connection.scalar(sa.text("SELECT count(*) FROM run_event"))
    assert killed > 0
    assert sorted((row.segment_id, row.due_at) for row in rows) == sorted(
        (row.id, row.next_due_at) for row in due
    )
    assert {row.state for row in rows} == {"pending"}
    assert events == INSTANTS
