from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy
from tests.composed import Composition, Place
from tests.executor import make_executor_environment
from tests.integration.worker.conftest import Bench, make_settings
from tests.shop import Shop, write_shop
from tests.waiting import eventually

from muster_console.parts.port import choose_port
from muster_worker.app import Worker

SPARK = ("spark-master", "spark-worker-1", "spark-worker-2", "engine")
#: What two workers of this machine may take; the file is for larger ones.
SMALL = {"NODE_CORES": "1", "NODE_MEMORY": "1g"}
#: Processes that live for minutes earn nothing from Java's second compiler, which takes a core while they start.
QUICK = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}


class Cluster:
    """The Spark services of the compose file: a master, two workers, and the engine before them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = {name: choose_port(name, "nothing", fixed=None, last=None) for name in SPARK}
        self._ports = ports
        self.python = make_executor_environment(folder / "executor")
        place = Place(
            addresses={
                "spark-master:7077": f"127.0.0.1:{ports['spark-master']}",
                "spark-master": "127.0.0.1",
                "spark-worker-1": "127.0.0.1",
                "spark-worker-2": "127.0.0.1",
                "engine": "127.0.0.1",
            },
            folders={"/opt/muster/bin/python": self.python},
            secrets={"ENGINE_TOKEN": "token-of-tests", "CLUSTER_SECRET": "secret-of-tests"},
            pythons={"muster-executor": self.python},
        )
        self.services = Composition(place, folder / "log")
        self.url = f"sc://localhost:{ports['engine']}/;token=token-of-tests"

    def start(self) -> None:
        """Start everything, and wait until the engine listens."""
        master = "spark-master"
        port = {"NODE_PORT": str(self._ports[master])}
        self.services.start(master, **port, **QUICK, **self._folder_of(master))
        self.services.wait_for_port(master, self._ports[master])
        for name in ("spark-worker-1", "spark-worker-2"):
            port = {"NODE_PORT": str(self._ports[name])}
            self.services.start(name, **port, **SMALL, **QUICK, **self._folder_of(name))
        self.start_engine()

    def start_engine(self, **other: str) -> None:
        """Start the engine, and wait until it listens."""
        self.services.start(
            "engine",
            **other,
            MUSTER_ENGINE_PORT=str(self._ports["engine"]),
            MUSTER_ENGINE_EXECUTOR_MEMORY="512m",
            MUSTER_ENGINE_SHORT_LIVED="1",
            MUSTER_ENGINE_DIRECTORY=str(self._folder / "engine"),
        )
        self.services.wait_for_port("engine", self._ports["engine"])

    def executors(self) -> list[psutil.Process]:
        """Return the executors that run now."""
        found = []
        for name in ("spark-worker-1", "spark-worker-2"):
            for child in psutil.Process(self.services.pid(name)).children():
                if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in child.cmdline():
                    found.append(child)
        return found

    def started_executors(self) -> int:
        """Return how many executors were ever started."""
        return len(list(self._folder.glob("spark-worker-*/work/app-*/*/stderr")))

    def busy(self) -> list[psutil.Process]:
        """Return the executors in which a Python worker runs now."""
        return [e for e in self.executors() if len(e.children(recursive=True)) > 1]

    def listening(self) -> set[str]:
        """Return the addresses on which any process of the cluster takes connections."""
        processes = [psutil.Process(self.services.pid(name)) for name in SPARK]
        return {
            connection.laddr.ip
            for process in [*processes, *self.executors()]
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }

    def _folder_of(self, name: str) -> dict[str, str]:
        return {"NODE_DIRECTORY": str(self._folder / name)}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Spark cluster for the whole test session."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.services.stop()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop nobody changes."""
    return write_shop(tmp_path_factory.mktemp("shop"), customers=1_000, orders=7_000)


@pytest.fixture
def bench(
    database: sqlalchemy.Engine,
    database_url: str,
    cluster: Cluster,
    lake_url: str,
    tmp_path: Path,
) -> Iterator[Bench]:
    """A worker on the cluster that has nothing yet."""
    settings = make_settings(
        tmp_path / "home",
        database_url=database_url,
        # nobody waits for a hint here
        redis_url="redis://127.0.0.1:1/0",
        engine_url=cluster.url,
        lake_url=lake_url,
    )
    worker = Worker(database=database, settings=settings, name="worker@test:1")
    # a cluster offers what is free now, and an executor takes a while to start
    eventually(lambda: len(cluster.executors()) == 2, 60)
    yield Bench(database=database, settings=settings, worker=worker)
    worker.close()
