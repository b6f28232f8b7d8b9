"""A shop of every test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.integration.insight.shop import Shop, build_shop

from muster_console.operation.workspace import open_workspace
from muster_core.settings import Settings


@pytest.fixture
def shop(database_url: str, redis_url: str, lake_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A shop of the test's own: nothing is saved yet."""
    settings = Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        lake_url=lake_url,
    )
    with open_workspace(settings) as workspace:
        yield build_shop(workspace)
