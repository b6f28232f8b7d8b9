from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.collection.world import World

from muster_core.lake.location import Lake


@pytest.fixture
def world(database: sa.Engine, lake_url: str, tmp_path: Path) -> World:
    """Six segments, every other one delivered, over a first snapshot."""
    target = tmp_path / "target"
    target.mkdir()
    world = World(database=database, lake=Lake(lake_url), target=target)
    world.start(6)
    return world
