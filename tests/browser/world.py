"""A console over a control database with something of everything, and people of every role in a browser."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page
from pydantic import SecretStr
from tests.integration.runs.conftest import Desk
from tests.running import bare_environment
from tests.waiting import eventually

from muster_console.operation.access import create_person, sign_in
from muster_console.operation.catalog import apply_catalog
from muster_console.operation.connection import create_connection
from muster_console.operation.definition import read_definitions_text
from muster_console.operation.export import apply_exports
from muster_console.operation.saving import apply_definitions
from muster_console.operation.workspace import Workspace, open_workspace
from muster_core.errors import TerminalError
from muster_core.security.role import Role
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.definition_table import catalog_version
from muster_core.storage.planning import request_system_refresh
from muster_core.storage.refresh import close_refreshes
from muster_core.storage.run import publish, settle_failure
from muster_core.storage.store_table import snapshot

PASSWORD = "a long enough password"  # noqa: S105 - of people who exist for a test
CATALOG = """version: 1
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables: {orders: {source: {parquet: orders.parquet}, row_key: [no]}}
relationships: [{name: buyer, from: orders.customer, to: customers.id}]
"""
#: H57 to H61 of reliability.md: whatever people call things, no script runs and nothing breaks.
HOSTILE = (
    "<script>window.broken=1</script>",
    '"><img src=x onerror="window.broken=1">',
    "javascript:window.broken=1",
    "\u202eright to left\u202c and a\u200djoiner \U0001f9d1\u200d\U0001f680",
    "combined " + "\u0301" * 150,
    "`${window.broken=1}` {{ window.broken=1 }} :props='x'",
    "a very long name without any space: " + "x" * 160,
)


@dataclass(slots=True, kw_only=True)
class Console:
    """A console process, and what tests know of it."""

    address: str
    workspace: Workspace
    desk: Desk
    command: list[str]
    environment: dict[str, str]
    log: Path
    tokens: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)

    def token(self, who: str) -> str:
        """Return a session of `who`; one for the whole module."""
        if who not in self.tokens:
            self.tokens[who] = sign_in(self.workspace, who, PASSWORD, "test")[1]
        return self.tokens[who]

    def answers(self) -> bool:
        """Tell whether it takes requests."""
        try:
            return httpx.get(f"{self.address}/sign-in", timeout=2).status_code in (200, 503)
        except httpx.HTTPError:
            return False

    def start(self) -> None:
        """Start the process anew at the same address."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log
            )
        eventually(self.answers, 120)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End the process."""
        self.process.send_signal(with_signal)
        self.process.wait(30)


@contextmanager
def running_console(
    folder: Path, database_url: str, redis_url: str, **settings: str
) -> Iterator[Console]:
    """Serve a console over the database until the block ends."""
    lake = folder / "lake"
    lake.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    opened = Settings(
        home=folder,
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        lake_url=str(lake),
    )
    environment = {
        **bare_environment(),
        "MUSTER_HOME": str(folder),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LAKE_URL": str(lake),
        "PYTHONWARNINGS": "error",
        **settings,
    }
    with open_workspace(opened) as workspace:
        console = Console(
            address=f"http://127.0.0.1:{port}",
            workspace=workspace,
            desk=Desk(workspace.database),
            command=[sys.executable, "-m", "muster_console.api", "--port", str(port)],
            environment=environment,
            log=folder / "console.log",
        )
        console.start()
        try:
            yield console
        finally:
            console.stop()
    said = console.log.read_text()
    assert "Traceback" not in said, said[-4000:]


def invite(workspace: Workspace) -> None:
    """Make somebody of every role, named so; viewers see no members."""
    for role in Role:
        create_person(workspace, role, role, members=role != Role.VIEWER, password=PASSWORD)


def fill(console: Console, folder: Path) -> None:
    """Put something of everything into the database: people, segments, runs of every kind, exports."""
    workspace, desk = console.workspace, console.desk
    invite(workspace)
    for name in HOSTILE[:2]:
        create_person(workspace, name, Role.VIEWER, members=False, password=None)
    hostile = {name: ["x", None] for name in HOSTILE}
    customers = pa.table({"id": ["a", "b"], "country": ["GB", None], **hostile})
    pq.write_table(customers, folder / "customers.parquet")
    orders = pa.table({"no": [1, 2], "customer": ["a", "b"], **hostile})
    pq.write_table(orders, folder / "orders.parquet")
    (folder / "catalog.yaml").write_text(CATALOG)
    apply_catalog(workspace, folder / "catalog.yaml")
    measure = {"table": "orders", "aggregate": {"function": "count"}}
    apply(workspace, [{"name": "orders_of", "by": measure, "description": HOSTILE[0]}])
    apply(workspace, [_segment(place) for place in range(40)])
    _run_everything(desk)
    (folder / "out").mkdir()
    (folder / "exports.yaml").write_text(
        f"name: newsletter\ndescription: {HOSTILE[0]!r}\n"
        f"connection: {{kind: folder, path: {folder}/out}}\nsegments: [segment_000]\n"
    )
    apply_exports(workspace, folder / "exports.yaml")
    (folder / "shelf.yaml").write_text(
        f"name: shelf\nkind: folder\npath: {folder}/out\ndescription: {HOSTILE[0]!r}\n"
    )
    create_connection(workspace, folder / "shelf.yaml", None)


def _segment(place: int) -> dict[str, Any]:
    word = HOSTILE[place % len(HOSTILE)]
    return {
        "name": f"segment_{place:03}",
        "display_name": word,
        "description": word,
        # what cannot be seen is refused in a tag
        "tags": [word[:100], "vip"] if place % 3 and word.isprintable() else [],
        "type": "static" if place % 7 == 3 else "dynamic",
        "state": ("active", "active", "active", "inactive", "draft")[place % 5],
        "rules": [{"where": {"kind": "everyone"}, "name": word}],
    }


def apply(workspace: Workspace, documents: list[dict[str, Any]]) -> None:
    """Save definitions as they would be read from a file."""
    # JSON is YAML, and holds every character
    text = "\n---\n".join(json.dumps(document, ensure_ascii=False) for document in documents)
    apply_definitions(workspace, read_definitions_text(text, workspace.settings.limits))


def _run_everything(desk: Desk) -> None:
    """A refresh that failed in part and has ended, then one that still runs."""
    with transaction(desk.engine) as connection:
        catalog = connection.scalar(sa.select(catalog_version.c.id))
        connection.execute(
            snapshot.insert().values(
                generation=1,
                manifest="store",
                manifest_sha256="0" * 64,
                catalog_id=catalog,
                customers=2,
                report={},
            )
        )
    with transaction(desk.engine) as connection:
        request_system_refresh(connection, actor="user anna")
    claim = desk.must_claim()
    with transaction(desk.engine) as connection:
        failed = [run.run_id for run in claim.runs[:2]]
        settle_failure(connection, claim, failed, TerminalError(f"It cannot work: {HOSTILE[0]}"))
    desk.evaluate(claim, [run_id for run_id in claim.run_ids if run_id not in failed], members=1234)
    with transaction(desk.engine) as connection:
        publish(connection, claim)
    with transaction(desk.engine) as connection:
        close_refreshes(connection)
    with transaction(desk.engine) as connection:
        request_system_refresh(connection, actor="user anna")
    desk.must_claim(limit=6)


@contextmanager
def signed_in(
    browser: Browser, console: Console, who: str | None, **options: Any
) -> Iterator[Page]:
    """A page of somebody who has signed in; the test fails where a script of a name ran or the browser complained."""
    options.setdefault("viewport", {"width": 1280, "height": 800})
    options.setdefault("locale", "en-GB")
    options.setdefault("timezone_id", "Europe/Berlin")
    context: BrowserContext = browser.new_context(base_url=console.address, **options)
    context.set_default_timeout(60_000)
    if who is not None:
        context.add_cookies(
            [
                {
                    "name": "muster_session",
                    "value": console.token(who),
                    "url": console.address,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    try:
        yield page
        assert page.evaluate("window.broken") is None, "a script in a name ran"
        wrong = [
            line
            for line in said
            if "Failed to load resource" not in line and "WebSocket" not in line
        ]
        assert not wrong, wrong
    finally:
        context.close()


def environment_of(console: Console) -> dict[str, str]:
    """Return the environment a command needs to work on the same database."""
    return {**os.environ, **console.environment}
