"""Memory stays flat however many members there are, and a full disk leaves nothing half done."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.integration.exporter.process import start, states
from tests.integration.exporter.world import World, build_world
from tests.waiting import eventually

from muster_core.lake.manifest import ALIVE
from muster_core.storage.database import transaction
from muster_core.storage.delivery_record import list_deliveries

pytestmark = pytest.mark.integration

COLUMNS = {"id": "text", "email": "text", "age": "integer", "seen": "timestamp"}
#: Members of one partition; the last measured 2,000,000 members took as much memory as 200,000.
ROWS = 100_000

DELIVER_ONE = """
import re
from pathlib import Path
from muster_core.settings import Settings
from muster_core.storage.database import open_database
from muster_exporter.exporter import Exporter
settings = Settings()
exporter = Exporter(open_database(settings.database()), settings, name="measured")
assert exporter.work()
# not ru_maxrss: that also counts what the parent had before this program was started
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def partitions(number: int) -> list[pa.Table]:
    ids = np.arange(ROWS)
    return [
        pa.table(
            {
                ALIVE: np.ones(ROWS, dtype=np.bool_),
                "id": [f"C{n}-{i}" for i in ids],
                "email": [f"customer{i}@example.org" for i in ids],
                "age": ids % 90,
                "seen": pa.array(ids, pa.timestamp("us", "UTC")),
            }
        )
        for n in range(number)
    ]


def peak_megabytes(world: World) -> float:
    """Deliver one version in a process of its own and return the most memory it ever had."""
    result = subprocess.run(
        [sys.executable, "-c", DELIVER_ONE],
        env={
            **os.environ,
            "DATABASE_URL": world.settings.database(),
            "LAKE_URL": world.lake.url,
            "MUSTER_HOME": str(world.settings.home),
        },
        check=True,
        capture_output=True,
    )
    return int(result.stdout.splitlines()[-1]) / 1024


@pytest.mark.long
@pytest.mark.parametrize("form", ["csv.gz", "parquet"])
def test_memory_does_not_grow_with_the_number_of_members(database, database_url, tmp_path, form):
    world = build_world(database, database_url, tmp_path, partitions(10), COLUMNS)
    world.publish("small", share=0.1)
    world.publish("large", share=1.0)
    world.export(segments=["small", "large"], columns=["email", "age", "seen"], format=form)

    peaks = []
    for name in ("small", "large"):
        world.queue("crm", name, 1)
        peaks.append(peak_megabytes(world))

    assert set(states(world)) == {"delivered"}
    assert peaks[1] - peaks[0] < 60, f"peaks in MB: {peaks}"


def limited(world: World, limit: int) -> subprocess.Popen[bytes]:
    """Start an exporter that cannot write more than `limit` bytes into one file, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        return start(world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "form",
    [
        "csv.gz",
        pytest.param("csv", marks=pytest.mark.long),
        pytest.param("parquet", marks=pytest.mark.long),
    ],
)
def test_no_space_is_named_leaves_nothing_behind_and_passes(database, database_url, tmp_path, form):
    world = build_world(database, database_url, tmp_path, partitions(1), COLUMNS)
    version = world.publish("vip", share=0.5)
    world.export(columns=["email", "age", "seen"], format=form)
    world.queue("crm", "vip", version)

    child = limited(world, 100_000)
    try:

        def refused() -> bool:
            with transaction(database) as connection:
                (found,) = list_deliveries(connection)
            return found.error_class == "no_space" and str(world.target) in (found.error or "")

        eventually(refused, timeout=60)
    finally:
        child.kill()
        child.wait()
    files = [p for p in Path(world.target).rglob("*") if p.is_file()]
    assert [p.name for p in files if not p.name.endswith(".part")] == []

    child = start(world)
    try:
        eventually(lambda: states(world) == ["delivered"], timeout=60)
    finally:
        child.kill()
        child.wait()
    assert sorted(os.listdir(world.folder("crm", "vip", version))) == [
        "manifest.json",
        f"part-00000.{form}",
    ]
