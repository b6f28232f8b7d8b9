"""Every service of the compose file as a local process: from files through the cluster to an export."""

from __future__ import annotations

import base64
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
import redis
from tests.composed import Composition, Place
from tests.integration.cluster.conftest import Cluster
from tests.integration.worker.test_batch import orders_per_customer
from tests.shop import Shop, ordered, segment
from tests.waiting import eventually

from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.valkey import Valkey

pytestmark = [pytest.mark.integration, pytest.mark.spark, pytest.mark.long]

SERVICES = ("scheduler", "worker", "exporter", "console")


@pytest.fixture
def composition(
    cluster: Cluster, postgres_url: str, home: Home, shop: Shop, tmp_path: Path
) -> Iterator[Composition]:
    """Everything but PostgreSQL and the Spark services, which run already."""
    database = f"composed_{uuid.uuid4().hex[:12]}"
    user, password, server = _parts(postgres_url)
    ports = {name: choose_port(name, "nothing", fixed=None, last=None) for name in ("redis", "api")}
    for name in ("lake", "exports"):
        (tmp_path / name).mkdir()
    shutil.copytree(shop.folder, tmp_path / "data")
    place = Place(
        addresses={
            "muster:"
            + password
            + "@postgres:5432/muster": f"{user}:{password}@{server}/{database}",
            "redis:6379": f"127.0.0.1:{ports['redis']}",
            "localhost:15002": cluster.url.split("/")[2],
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - replaced, never bound
            "8420": str(ports["api"]),
        },
        folders={name: tmp_path / name[1:] for name in ("/lake", "/data", "/exports")},
        secrets={
            "POSTGRES_PASSWORD": password,
            "ENGINE_TOKEN": "token-of-tests",
            "CLUSTER_SECRET": "secret-of-tests",
            "MUSTER_SECRET_KEYS": base64.b64encode(bytes(32)).decode(),
        },
        pythons={},
        programs={"redis-server": Path(Valkey(home, ports["redis"]).launch().command[0])},
    )
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
        made = Composition(place, tmp_path / "log")
        try:
            made.start("redis", "--port", str(ports["redis"]), "--bind", "127.0.0.1")
            made.wait_for_port("redis", ports["redis"])
            yield made
        finally:
            made.stop()
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


def _parts(url: str) -> tuple[str, str, str]:
    login, _, server = url.removeprefix("postgresql://").partition("@")
    user, _, password = login.partition(":")
    return user, password, server.split("/")[0]


@pytest.mark.timeout(600)
def test_the_services_of_the_file_refresh_and_export_on_the_cluster(
    composition: Composition, cluster: Cluster, shop: Shop, tmp_path: Path
) -> None:
    # Given the services, started as the file starts them, after the migration it waits for
    composition.run("migrate")
    for name in SERVICES:
        composition.start(name)
    eventually(lambda: all(composition.is_healthy(name) for name in SERVICES), 120, every=1)
    with redis.Redis.from_url(composition.environment("worker")["REDIS_URL"]) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}

    # When a segment and its export are applied with the command line of the file, and refreshed
    data = tmp_path / "data"
    (data / "segments.yaml").write_text(json.dumps(segment("buyers", ordered(8))))
    export = {
        "name": "crm",
        "connection": {"kind": "folder", "path": str(tmp_path / "exports")},
        "segments": ["buyers"],
        "columns": ["country"],
        "format": "parquet",
    }
    (data / "exports.yaml").write_text(json.dumps(export))
    composition.run("muster", "catalog", "apply", "/data/catalog.yaml")
    composition.run("muster", "segment", "apply", "/data/segments.yaml")
    composition.run("muster", "export", "apply", "/data/exports.yaml")
    arguments = ("system", "refresh", "--deliveries", "--json")
    printed = composition.run("muster", *arguments, seconds=300)

    # Then the export holds the members, and the code went to the cluster once
    wanted = {key for key, count in orders_per_customer(shop).items() if count >= 8}
    files = sorted((tmp_path / "exports").rglob("*.parquet"))
    assert files, printed
    assert set(pq.read_table(files[-1])["customer_id"].to_pylist()) == wanted
    assert composition.log("worker").count("code sent to the engine") == 1
    for name in SERVICES:
        assert composition.is_healthy(name)
