"""A Muster to be broken: parts under `muster up`, services started by the suite, a shop, segments and an export."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
import yaml
from pydantic import SecretStr
from tests.chaos import disk
from tests.chaos.service import Service
from tests.chaos.traffic import documents
from tests.running import SHORT_LEASES, Parts, bare_environment
from tests.shop import write_shop

from muster_console.parts.port import choose_port
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_core.storage.database import open_database

#: Where Debian and others keep the library that shifts a process's clock.
_FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)

ENVIRONMENT = {
    "MUSTER_SERVICES": "none",
    "MUSTER_PARTITIONS": "4",
    "MUSTER_ENGINE_CORES": "2",
    "MUSTER_BACKOFF_MAX_SECONDS": "4",
    "MUSTER_MAX_ATTEMPTS": "30",
    "MUSTER_STOP_GRACE_SECONDS": "2",
}
LEASE_SECONDS = float(SHORT_LEASES["MUSTER_LEASE_SECONDS"])
BACKOFF_SECONDS = float(ENVIRONMENT["MUSTER_BACKOFF_MAX_SECONDS"])
EXPORTED = ("due_0", "due_1", "sys_0", "child_last")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a campaign works on."""

    parts: Parts
    settings: Settings
    database: sa.Engine
    lake: Lake
    sink: Path
    services: tuple[Service, ...]
    proxy: Service | None
    small_disk: bool
    shifted_clock: bool
    lease_seconds: float = LEASE_SECONDS

    @property
    def lake_folder(self) -> Path:
        return self.lake.root

    def of(self, kind: str) -> list[Service]:
        return [service for service in self.services if service.kind == kind]

    def skipped(self) -> list[str]:
        """Return the faults that cannot be made on this machine."""
        return [
            name
            for name, present in (
                ("full disk (mounting is not permitted)", self.small_disk),
                ("shifted clock (libfaketime is not installed)", self.shifted_clock),
            )
            if not present
        ]


def clock_library() -> str | None:
    """Return the library that shifts clocks, where it is installed."""
    return next((path for path in _FAKETIME if Path(path).exists()), None)


@contextmanager
def running_world(folder: Path, *, control: str | None = None) -> Iterator[World]:
    """Start everything in `folder`, with workers broken by `control` where it is given."""
    lake = folder / "lake"
    with ExitStack() as stack:
        small = disk.mount(lake)
        if small:
            stack.callback(disk.unmount, lake)
        sink = folder / "sink"
        sink.mkdir()
        parts = stack.enter_context(Parts(folder / "home", {**ENVIRONMENT, "LAKE_URL": str(lake)}))
        _fill(parts, folder, sink)
        addresses = parts.addresses()
        settings = Settings(
            home=Path(parts.home),
            database_url=SecretStr(addresses["database_url"]),
            redis_url=SecretStr(addresses["redis_url"]),
            engine=SecretStr(addresses["engine"]),
            lake_url=str(lake),
        )
        database = open_database(settings.database(), application="chaos")
        stack.callback(database.dispose)
        proxy, services = _services(parts, folder, lake, control)
        for service in (proxy, *services):
            service.start()
            stack.callback(service.end)
        yield World(
            parts=parts,
            settings=settings,
            database=database,
            lake=Lake(str(lake)),
            sink=sink,
            services=tuple(services),
            proxy=proxy,
            small_disk=small,
            shifted_clock=clock_library() is not None,
        )
    shutil.rmtree(folder, ignore_errors=True)


def _fill(parts: Parts, folder: Path, sink: Path) -> None:
    shop = write_shop(folder / "shop", customers=3_000, orders=12_000)
    (folder / "segments.yaml").write_text(yaml.safe_dump_all(documents()))
    feed = {
        "name": "feed",
        "connection": {"kind": "folder", "path": str(sink)},
        "segments": list(EXPORTED),
        "columns": ["country"],
        "rows_per_file": 100,
    }
    (folder / "export.yaml").write_text(yaml.safe_dump(feed))
    parts.muster("catalog", "apply", str(shop.catalog))
    parts.muster("segment", "apply", str(folder / "segments.yaml"))
    parts.muster("export", "apply", str(folder / "export.yaml"))


def _services(
    parts: Parts, folder: Path, lake: Path, control: str | None
) -> tuple[Service, list[Service]]:
    addresses = parts.addresses()
    environment = {
        **bare_environment(),
        **SHORT_LEASES,
        **ENVIRONMENT,
        "MUSTER_HOME": str(parts.home),
        "DATABASE_URL": addresses["database_url"],
        "REDIS_URL": addresses["redis_url"],
        "ENGINE": addresses["engine"],
        "LAKE_URL": str(lake),
    }
    root = str(Path(__file__).parents[2])
    port = choose_port("the relay", "nothing", fixed=None, last=None)
    target = urlsplit(addresses["database_url"]).port
    proxy = Service(
        "proxy-0",
        ["-m", "tests.chaos.proxy", str(port), str(target)],
        {**environment, "PYTHONPATH": root},
        folder / "proxy.log",
    )
    relayed = environment | {
        "DATABASE_URL": addresses["database_url"].replace(f":{target}/", f":{port}/")
    }
    broken = {}
    if control is not None:
        broken = {"CHAOS_CONTROL": control, "PYTHONPATH": str(Path(__file__).parent / "control")}
    shifted = {}
    library = clock_library()
    if library is not None:
        shifted = {"LD_PRELOAD": library, "FAKETIME": "+2h", "DONT_FAKE_MONOTONIC": "1"}
    made = [
        ("scheduler-0", "muster_scheduler", environment),
        ("scheduler-1", "muster_scheduler", environment | shifted),
        ("worker-0", "muster_worker", environment | broken),
        ("worker-1", "muster_worker", relayed | broken),
        ("exporter-0", "muster_exporter", environment),
        ("exporter-1", "muster_exporter", relayed | shifted),
    ]
    services = [
        Service(name, ["-m", module], variables, folder / f"{name}.log")
        for name, module, variables in made
    ]
    return proxy, services
