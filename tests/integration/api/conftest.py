"""An API over a real control database, and callers of every role."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from tests.waiting import eventually

from muster_console.api.app import create_api
from muster_console.operation.access import create_person, create_token
from muster_console.operation.catalog import apply_catalog
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.security.role import Role
from muster_core.settings import Settings

CATALOG = "version: 1\nprofile: {table: customers, key: id, source: {parquet: customers.parquet}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The API as a client sees it, and a token of everybody."""

    client: httpx.Client
    app: FastAPI
    tokens: dict[str, str]

    def call(self, who: str | None, method: str, path: str, **options):
        headers = dict(options.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)


@pytest.fixture
def workspace(
    database_url: str, redis_url: str, lake_url: str, tmp_path: Path
) -> Iterator[Workspace]:
    settings = Settings(
        home=tmp_path / "home",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        lake_url=lake_url,
    )
    table = pa.table({"id": ["a", "b"], "country": ["GB", None]})
    pq.write_table(table, tmp_path / "customers.parquet")
    (tmp_path / "catalog.yaml").write_text(CATALOG)
    with open_workspace(settings) as opened:
        apply_catalog(opened, tmp_path / "catalog.yaml")
        yield opened


@pytest.fixture
def api(workspace: Workspace) -> Iterator[Api]:
    with opened_api(workspace) as opened:
        yield opened


@contextmanager
def opened_api(workspace: Workspace) -> Iterator[Api]:
    """Serve the API over `workspace`, with a token of every role and of a viewer who may see members."""
    tokens = {}
    for role in Role:
        create_person(workspace, role, role, members=False, password=None)
        tokens[str(role)] = create_token(workspace, role, "test", role=None, members=False)[1]
    create_person(workspace, "seer", Role.VIEWER, members=True, password=None)
    tokens["seer"] = create_token(workspace, "seer", "test", role=None, members=True)[1]
    app = create_api(workspace)
    with _served(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield Api(client=client, app=app, tokens=tokens)


@contextmanager
def _served(app: FastAPI) -> Iterator[str]:
    """Serve `app` as the product does, on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    eventually(lambda: server.started, timeout=60)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
