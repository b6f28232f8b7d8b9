"""An API over a store with published segments and an export of one of them, without an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa
from pydantic import SecretStr
from tests.integration.api.conftest import Api, opened_api
from tests.integration.exporter.connected import connect
from tests.integration.exporter.world import COLUMNS, World, build_world, partition_table

from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.settings import Settings

EXPORT = {"name": "crm", "connection": "there", "segments": ["vip"], "columns": ["email"]}


@contextmanager
def published_api(
    database: sa.Engine,
    database_url: str,
    redis_url: str,
    folder: Path,
    profile: pa.Table | None = None,
) -> Iterator[tuple[Api, Workspace, World]]:
    """Publish the segments `vip` and `loyal` over one partition, and serve the API."""
    table = partition_table(0, 50) if profile is None else profile
    world = build_world(database, database_url, folder, [table], COLUMNS)
    connect(
        world,
        {"name": "there", "kind": "folder", "path": str(world.target), "contributors": True},
        {},
    )
    world.publish("vip")
    world.publish("loyal")
    settings = Settings(
        database_url=world.settings.database_url,
        redis_url=SecretStr(redis_url),
        lake_url=world.lake.url,
        home=world.settings.home,
    )
    with open_workspace(settings) as workspace, opened_api(workspace) as api:
        yield api, workspace, world
