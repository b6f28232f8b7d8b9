"""The fixture most tests of the exporter use."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.integration.exporter.world import COLUMNS, World, build_world, partition_table


@pytest.fixture
def world(database: sa.Engine, database_url: str, tmp_path: Path) -> World:
    """Four partitions of different sizes, one of them empty, over every column type."""
    profiles = [partition_table(n, rows) for n, rows in enumerate((700, 0, 1300, 1))]
    return build_world(database, database_url, tmp_path, profiles, COLUMNS)
