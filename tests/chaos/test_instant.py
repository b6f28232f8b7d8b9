"""Ten thousand due instants, five schedulers killed at random: every instant has one run, and every run ends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from tests.chaos.invariants import violations
from tests.running import SHORT_LEASES, Parts, bare_environment
from tests.shop import many_segments, write_shop
from tests.waiting import eventually

from muster_core.lake.location import Lake
from muster_core.storage.database import open_database, transaction

pytestmark = [pytest.mark.chaos, pytest.mark.long]

INSTANTS = 10_000
SCHEDULERS = 5
SECONDS = 120
#: The last instants fall due at the end; some hundred segments are a batch of seconds.
REST_SECONDS = 900

_UNSETTLED = """SELECT (SELECT count(*) FROM segment WHERE next_due_at < clock_timestamp())
                     + (SELECT count(*) FROM refresh_run
                        WHERE state IN ('pending', 'running', 'evaluated'))"""


def start(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "muster_scheduler"], env=environment, stderr=errors
        )


@contextmanager
def schedulers(environment: dict[str, str], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = [start(environment, log) for _ in range(SCHEDULERS)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(10)


@pytest.mark.timeout(2_400)
def test_ten_thousand_instants_each_have_one_run_and_each_run_ends(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", customers=2_000, orders=10_000)
    segments = tmp_path / "segments.yaml"
    yearly = {"schedule": {"cron": "0 0 1 1 *"}}
    segments.write_text(yaml.dump_all(many_segments(INSTANTS, **yearly), Dumper=yaml.CSafeDumper))
    with Parts(tmp_path / "home") as parts:
        parts.muster("catalog", "apply", str(shop.catalog))
        parts.muster("segment", "apply", str(segments), seconds=600)
        addresses = parts.addresses()
        names = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL", "lake_url": "LAKE_URL"}
        environment = {
            **bare_environment(),
            **SHORT_LEASES,
            "MUSTER_HOME": str(parts.home),
            **{variable: addresses[name] for name, variable in names.items()},
        }
        database = open_database(addresses["database_url"], application="chaos")
        try:
            with transaction(database) as connection:
                connection.execute(
                    sa.text(
                        """UPDATE segment SET next_due_at = clock_timestamp()
                             + n.number * CAST(:each AS interval)
                             FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM segment) n
                            WHERE n.id = segment.id"""
                    ),
                    {"each": f"{1_000_000 * SECONDS // INSTANTS} microseconds"},
                )
                due = set(connection.execute(sa.text("SELECT id, next_due_at FROM segment")).all())
            killed = _kill_at_random(environment, tmp_path / "schedulers.log")

            def settled() -> bool:
                with transaction(database) as connection:
                    left: int = connection.scalar(sa.text(_UNSETTLED))
                return left == 0

            eventually(settled, REST_SECONDS, every=1.0)
            with transaction(database) as connection:
                rows = connection.execute(
                    sa.text("SELECT segment_id, due_at, state FROM refresh_run")
                ).all()
                # reading what ten thousand versions point to takes longer than a transaction may idle
                connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                found = violations(connection, Lake(addresses["lake_url"]))
        finally:
            database.dispose()
    assert killed >= SECONDS / 2
    assert len(rows) == INSTANTS
    assert {(row.segment_id, row.due_at) for row in rows} == {tuple(row) for row in due}
    assert Counter(row.state for row in rows) == {"published": INSTANTS}
    assert found == []


def _kill_at_random(environment: dict[str, str], log: Path) -> int:
    """Kill one of the schedulers about each second, whatever it is at; return how many were killed."""
    chance, killed = random.Random(7), 0
    with schedulers(environment, log) as running:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 1.5))
            victim = chance.randrange(SCHEDULERS)
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait(10)
            killed += 1
            running[victim] = start(environment, log)
    return killed
