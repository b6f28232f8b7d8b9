"""A real console process over a benchmark's database, and a client of its API."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from muster_console.operation.access import create_person, create_token
from muster_console.operation.workspace import Workspace
from muster_core.security.role import Role
from muster_core.settings import Settings


@contextmanager
def console(settings: Settings) -> Iterator[str]:
    """Serve the console of an installation and give its address.

    Raises:
        TimeoutError: it does not answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "MUSTER_HOME": str(settings.home),
        "DATABASE_URL": settings.database(),
        "LAKE_URL": settings.lake(),
    }
    address = f"http://127.0.0.1:{port}"
    with (settings.home / "console.log").open("wb") as log:
        command = [sys.executable, "-m", "muster_console.api", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def reader(workspace: Workspace, role: Role) -> Iterator[httpx.Client]:
    """Serve the console over a workspace, and give a client of somebody of this role."""
    create_person(workspace, "reader", role, members=False, password=None)
    token = create_token(workspace, "reader", "benchmark", role=None, members=False)[1]
    headers = {"Authorization": f"Bearer {token}"}
    with (
        console(workspace.settings) as address,
        httpx.Client(base_url=address, headers=headers, timeout=30) as client,
    ):
        yield client


def _wait_for(address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if httpx.get(f"{address}/sign-in", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise TimeoutError("the console does not answer")
