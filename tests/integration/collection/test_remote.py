"""The same in lakes in object stores: what is needed stays, what is not goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.collection.world import World
from tests.object_store import AzureServer, S3Server
from tests.waiting import eventually

from muster_core.lake.location import Lake

pytestmark = pytest.mark.integration


@pytest.fixture(params=["s3", "azure"])
def lake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lake:
    server: S3Server | AzureServer = request.getfixturevalue(f"{request.param}_server")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    if isinstance(server, S3Server):
        return Lake(f"s3://{server.bucket()}/lake")
    return Lake(f"abfs://{server.container()}@{server.account}/lake")


def test_a_lake_in_an_object_store_is_collected(lake: Lake, database: sa.Engine, tmp_path: Path):
    world = World(database=database, lake=lake, target=tmp_path)
    world.start(4)
    lake.write_bytes("plans/old.json", b"{}")
    world.begin_preparation()
    for _ in range(3):
        world.refresh()
    flight = world.begin_batch()
    assert flight is not None
    world.prepare()
    world.refresh()
    while world.ask("SELECT 1 FROM delivery WHERE state = 'pending'"):
        world.deliver(finish=True)
    before = world.paths()

    def collected() -> bool:
        # times in object stores are whole seconds: a file may be of the next one
        world.collect()
        return world.ask("SELECT count(*) FROM garbage") == [(0,)]

    assert world.collect().files_marked > 0
    eventually(collected)
    assert not lake.exists("plans/old.json")
    assert len(world.paths()) < len(before)
    world.check_readable()
    world.end_batch(flight)
    world.check_readable()
