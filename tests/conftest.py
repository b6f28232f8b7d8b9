"""Fixtures every test may use: real servers, from Docker where it answers, else the embedded ones."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.container import docker_answers, postgres_container, redis_container
from tests.running import Parts

from muster_console.parts.engine import Engine
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_console.parts.valkey import Valkey
from muster_core.storage.database import open_database
from muster_core.storage.migrate import migrate

if TYPE_CHECKING:
    import sqlalchemy
    from pyspark.sql import SparkSession
    from tests.object_store import AzureServer, S3Server
    from tests.ssh_server import SshServer

# Tests start processes after the Spark client's gRPC is up; its handlers at a fork abort the child before exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
# Processes of tests side by side inherit the width of a terminal they do not have; tables would break in it.
os.environ.pop("COLUMNS", None)

TEMPLATE = "muster_template"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A data directory for the servers of this test session."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.create()
    return home


@pytest.fixture(scope="session")
def postgres_url(home: Home) -> Iterator[str]:
    """A PostgreSQL whose user may create databases."""
    if docker_answers():
        with postgres_container() as url:
            yield url
        return
    # durability is not what these tests look at; the chaos tests use servers of their own
    fast = {"fsync": "off", "full_page_writes": "off"}
    server = Postgres(home, _free_port(), fast)
    with running(server, home):
        yield server.url


@pytest.fixture(scope="session")
def redis_url(home: Home) -> Iterator[str]:
    """A Redis-compatible server, as a user that may do everything."""
    if docker_answers():
        with redis_container() as url:
            yield url
        return
    server = Valkey(home, _free_port())
    with running(server, home):
        yield server.admin_url


@pytest.fixture(scope="session")
def engine_url(home: Home) -> Iterator[str]:
    """One Spark Connect server for the whole test session."""
    server = Engine(home, _free_port(), memory="1g", cores=2, short_lived=True)
    with running(server, home):
        yield server.url


@pytest.fixture(scope="session")
def spark(engine_url: str) -> Iterator[SparkSession]:
    """A session on the shared engine."""
    # only tests that need the engine pay for importing pyspark
    from muster_worker.engine.session import close, connect

    session = connect(engine_url)
    yield session
    close(session)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3-compatible server that checks signatures; `bucket()` makes one of the test's own."""
    # only tests that need it pay for importing moto
    from tests.object_store import running_s3

    with running_s3() as server:
        yield server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    """An Azure Blob server; `container()` makes one of the test's own."""
    from tests.object_store import install_azurite, running_azure

    azurite, reason = install_azurite()
    if azurite is None:
        pytest.skip(reason)
    with running_azure(azurite) as server:
        yield server


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """An SSH server that offers SFTP below a folder of the session."""
    from tests.ssh_server import running_ssh

    with running_ssh(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture(scope="session")
def _template(postgres_url: str) -> str:
    """Make a migrated database that others are copied from, and return the server's URL."""
    _execute(postgres_url, f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}")
    migrate(_named(postgres_url, TEMPLATE))
    return postgres_url


@pytest.fixture
def database_url(_template: str) -> Iterator[str]:
    """A fresh migrated database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _execute(_template, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield _named(_template, name)
    _execute(_template, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """An SQLAlchemy engine on the test's own database."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def lake_url(tmp_path: Path) -> str:
    """An empty lake."""
    lake = tmp_path / "lake"
    lake.mkdir()
    return str(lake)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A whole Muster of the test's own: every part and service running, short leases."""
    with Parts(tmp_path / "home") as parts:
        yield parts


@pytest.fixture(autouse=True)
def _no_addresses_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own servers and home out of the tests."""
    for name in [n for n in os.environ if n.startswith("MUSTER_")]:
        monkeypatch.delenv(name)
    for name in [n for n in os.environ if n.startswith(("AWS_", "AZURE_"))]:
        monkeypatch.delenv(name)
    for name in ("DATABASE_URL", "REDIS_URL", "ENGINE", "LAKE_URL"):
        monkeypatch.delenv(name, raising=False)


def _free_port() -> int:
    return choose_port("a test server", "nothing", fixed=None, last=None)


def _named(url: str, database: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{database}"


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
