"""How soon the API answers about many segments: listing, sorting, filtering, searching, and reading on by pages."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from pydantic import SecretStr

from benchmarks.mix import segments
from benchmarks.serving import reader
from muster_console.operation.workspace import open_workspace
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_core.rules.document import parse_segment
from muster_core.security.role import Role
from muster_core.settings import Settings
from muster_core.storage.database import transaction
from muster_core.storage.migrate import migrate
from muster_core.storage.segment import apply_segments

_ROUNDS = 30
#: What is asked for, by what it is called in the report.
_QUERIES = {
    "list": "limit=50",
    "list, 200 at once": "limit=200",
    "sort": "sort=-members&limit=50",
    "filter": "state=active&type=dynamic&limit=50",
    "search": "search=99&limit=50",
}


def measure(count: int) -> dict[str, float]:
    """Print and return the median and the longest milliseconds of every query over `count` segments."""
    with (
        TemporaryDirectory(prefix="muster-listing-") as folder,
        _served(Path(folder), count) as client,
    ):
        found: dict[str, float] = {}
        print(f"{count:,} segments, {_ROUNDS} requests each, milliseconds")
        for name, query in _QUERIES.items():
            taken = sorted(_timed(client, query) for _ in range(_ROUNDS))
            found[f"{name}, median"] = statistics.median(taken)
            found[f"{name}, longest"] = taken[-1]
            print(f"{name:20} median {statistics.median(taken):7.1f}   longest {taken[-1]:7.1f}")
        return found


def _timed(client: httpx.Client, query: str) -> float:
    begin = time.perf_counter()
    client.get(f"/api/v1/segments?{query}").raise_for_status()
    return 1_000 * (time.perf_counter() - begin)


@contextmanager
def _served(folder: Path, count: int) -> Iterator[httpx.Client]:
    """Serve the API over a database of its own with `count` segments."""
    home = Home(folder / "home")
    home.create()
    server = Postgres(home, choose_port("the benchmark", "nothing", fixed=None, last=None), {})
    with running(server, home):
        migrate(server.url)
        settings = Settings(
            home=home.path, database_url=SecretStr(server.url), lake_url=str(folder / "lake")
        )
        with open_workspace(settings) as workspace:
            documents = [parse_segment(segment.document()) for segment in segments(count)]
            with transaction(workspace.database) as connection:
                apply_segments(connection, documents)
            with reader(workspace, Role.VIEWER) as client:
                yield client
