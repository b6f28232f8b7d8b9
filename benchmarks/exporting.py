"""What delivering costs: against a bare PyArrow writer of the same rows, in memory, and beside a sink that hangs.

A real exporter process delivers from a store written through the lake's own code; nothing else of Muster runs but
PostgreSQL. The bare writer reads the same columns of the same files and writes them in the same way, in a process of
its own; the two take turns.
"""

from __future__ import annotations

import base64
import math
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from pydantic import SecretStr

from benchmarks import machine, member_store
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_core.exports.connection import parse_secret, parse_target
from muster_core.exports.document import parse_export
from muster_core.lake.location import Lake
from muster_core.settings import Settings
from muster_core.storage.connection import save_connection
from muster_core.storage.database import open_database, transaction
from muster_core.storage.export import apply_export
from muster_core.storage.export_request import request_delivery
from muster_core.storage.export_table import delivery
from muster_core.storage.migrate import migrate

FORMS = ("csv.gz", "parquet")
#: What a delivery should take at the most, in times of the bare writer.
TARGET_RATIO = 1.5
TARGET_BYTES = 400 * 10**6
#: What the other sinks should still do beside one that hangs.
TARGET_SHARE = 0.95
_COLUMNS = ["email", "age", "seen"]
_OTHERS = 4
#: Twice as many as the sink that hangs takes at once.
_SEGMENTS = 4
#: Members of a delivery beside the sink that hangs: so many that writing takes the time, not claiming.
HANG_MEMBERS = 200_000
#: The longest a benchmark waits for its deliveries, in seconds.
_PATIENCE = 3 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A PostgreSQL, a lake, and folders to deliver to."""

    folder: Path
    settings: Settings
    database: sa.Engine
    profile: list[str]

    @property
    def lake(self) -> Path:
        """Return the folder of the lake."""
        return self.folder / "lake"


def measure(members: int, *, rounds: int, hang_members: int, pairs: int) -> dict[str, Any]:
    """Measure throughput and memory with `members`, then the sink that hangs with `hang_members` a delivery.

    Args:
        members: of the one segment that is delivered whole.
        rounds: how often that is done, with the bare writer in turn.
        hang_members: of each delivery beside the sink that hangs.
        pairs: how often that is done with the sink and without it, two at the least.
    """
    with tempfile.TemporaryDirectory(prefix="muster-exporting-") as name:
        folder = Path(name)
        found: dict[str, Any] = {"machine": machine.describe(folder), "members": members}
        with _place(folder / "large", members, ["everybody"]) as place:
            found["forms"] = [_compare(place, form, members, rounds) for form in FORMS]
        names = [f"s{n}" for n in range(_SEGMENTS)]
        with _place(folder / "small", hang_members, names) as place:
            found["hanging"] = _beside_one_that_hangs(place, names, hang_members, pairs)
        return found


def _compare(place: Place, form: str, members: int, rounds: int) -> dict[str, Any]:
    mine, plain, peaks = [], [], []
    for number in range(rounds):
        # the first pair warms the file cache for both alike: turns are swapped every round
        for who in ("bare", "muster") if number % 2 == 0 else ("muster", "bare"):
            if who == "bare":
                plain.append(_bare(place, form))
            else:
                seconds, peak = _deliver_once(place, form, members)
                mine.append(seconds)
                peaks.append(peak)
    ratio = statistics.median(mine) / statistics.median(plain)
    print(
        f"{form:>8}: {members:,} members in {statistics.median(mine):.1f} s, bare writer"
        f" {statistics.median(plain):.1f} s, ratio {ratio:.2f}{_mark(ratio <= TARGET_RATIO)};"
        f" exporter at most {max(peaks) / 1e6:.0f} MB{_mark(max(peaks) < TARGET_BYTES)}"
    )
    return {
        "form": form,
        "seconds": mine,
        "bare_seconds": plain,
        "ratio": ratio,
        "peak_bytes": max(peaks),
        "bytes_written": _size(place.folder / "target"),
    }


def _deliver_once(place: Place, form: str, members: int) -> tuple[float, int]:
    """Deliver everybody once; return the seconds of the delivery by the database's clock, and the peak memory."""
    name = f"e{time.monotonic_ns()}"
    target = place.folder / "target"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    _apply(place, name, ["everybody"], {"kind": "folder", "path": str(target)}, format=form)
    _request(place, name)
    with _exporter(place) as process:
        _wait(place, name, 1)
        peak = _peak(process.pid)
    with transaction(place.database) as connection:
        row = connection.execute(
            sa.select(delivery.c.rows, delivery.c.finished_at - delivery.c.started_at)
            .order_by(delivery.c.id.desc())
            .limit(1)
        ).one()
    if row[0] != members:
        raise RuntimeError(f"{row[0]} rows were delivered, not {members}")
    return row[1].total_seconds(), peak


_BARE = """
import gzip, sys, time
from pathlib import Path
import pyarrow as pa, pyarrow.csv as pacsv, pyarrow.parquet as pq
form, target, rows_per_file, *paths = sys.argv[1:]
began = time.perf_counter()
columns = ["id", "email", "age", "seen"]
number, left, writer, closers = 0, 0, None, []
def opened(schema):
    global number
    path = Path(target) / f"part-{number:05d}.{form}"
    number += 1
    if form == "parquet":
        made = pq.ParquetWriter(path, schema, version="2.6", compression="zstd")
        return made, [made]
    raw = open(path, "wb")
    packed = gzip.GzipFile("", "wb", 6, raw, mtime=0)
    # its usual 1,024 rows a write would be slow through Python's gzip
    made = pacsv.CSVWriter(packed, schema, write_options=pacsv.WriteOptions(batch_size=65536))
    return made, [made, packed, raw]
for path in paths:
    table = pq.ParquetFile(path).read(columns, use_threads=False)
    for batch in table.to_batches(max_chunksize=65536):
        while batch.num_rows:
            if left == 0:
                for one in closers: one.close()
                writer, closers = opened(batch.schema)
                left = int(rows_per_file)
            part = batch.slice(0, left)
            batch = batch.slice(part.num_rows)
            left -= part.num_rows
            writer.write_batch(part)
for one in closers: one.close()
print(time.perf_counter() - began)
"""


def _bare(place: Place, form: str) -> float:
    """Return the seconds of a plain PyArrow program that writes the same rows to files as large."""
    target = place.folder / "bare"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    paths = [str(place.lake / path) for path in place.profile]
    done = subprocess.run(
        [sys.executable, "-c", _BARE, form, str(target), "1000000", *paths],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    shutil.rmtree(target)
    return float(done.stdout)


def _beside_one_that_hangs(
    place: Place, names: list[str], members: int, pairs: int
) -> dict[str, Any]:
    """Return what four folders get in a second, alone and beside a receiver that never answers.

    One exporter does all of it. The two ways follow one another closely and are compared pair by pair: how fast
    the machine is drifts by more than what is to be told.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    with _exporter(place):
        _four(place, names, members)  # what a process loads once
        for number in range(pairs):
            for hangs in (False, True) if number % 2 == 0 else (True, False):
                if hangs:
                    with _hanging(place, names, f"silent-{number}") as export:
                        found[hangs].append(_four(place, names, members, beside=export))
                else:
                    found[hangs].append(_four(place, names, members))
    shares = [beside / alone for alone, beside in zip(found[False], found[True], strict=True)]
    logs = [math.log(one) for one in shares]
    share = math.exp(statistics.mean(logs))
    # twice the standard error of the mean: nineteen of twenty such measurements are that near to the truth
    margin = 2 * share * statistics.stdev(logs) / math.sqrt(pairs)
    print(
        f"{_OTHERS} folders: {statistics.median(found[False]):,.0f} rows/s alone,"
        f" {statistics.median(found[True]):,.0f} beside a sink that hangs: {share:.1%} ± {margin:.1%}, the"
        f" geometric mean of {pairs} pairs{_mark(share >= TARGET_SHARE)}"
    )
    return {
        "members": members,
        "alone": found[False],
        "beside": found[True],
        "share": share,
        "margin": margin,
    }


def _four(place: Place, names: list[str], members: int, *, beside: str | None = None) -> float:
    """Deliver every segment to four folders and return the rows they got in a second.

    The export `beside` is asked for in the same transaction, first: what its deliveries do before they hang counts.
    """
    run = time.monotonic_ns()
    targets = [place.folder / f"target-{run}-{number}" for number in range(_OTHERS)]
    for target in targets:
        target.mkdir()
        where = {"kind": "folder", "path": str(target)}
        _apply(place, target.name, names, where, format="csv")
    exports = [target.name for target in targets]
    _request(place, *([] if beside is None else [beside]), *exports)
    for name in exports:
        _wait(place, name, len(names))
    for target in targets:
        shutil.rmtree(target)
    return _OTHERS * len(names) * members / _span(place, exports)


@contextmanager
def _hanging(place: Place, names: list[str], name: str) -> Iterator[str]:
    """Return an export whose deliveries hang once they are asked for; in the end they are let go.

    Connection and export are new ones, so what failed before slows nothing down.
    """
    with _silent() as port:
        document = {
            "name": name,
            "kind": "webhook",
            "url": f"http://127.0.0.1:{port}/",
            "timeout_seconds": 60,
        }
        secret = {"signing_secret": f"whsec_{base64.b64encode(bytes(range(32))).decode()}"}
        with transaction(place.database) as connection:
            save_connection(
                connection,
                parse_target(document),
                parse_secret("webhook", secret),
                place.settings.keys(),
            )
        _apply(place, name, names, name)
        yield name
        states = _all_states(place, name)
        if "running" not in states or set(states) > {"running", "pending"}:
            raise RuntimeError(f"the sink did not hang: {states}")
        with transaction(place.database) as connection:
            connection.execute(
                delivery.update()
                .where(delivery.c.state == "pending")
                .values(state="cancelled", finished_at=sa.func.clock_timestamp())
            )
    # the receiver is gone: what hung fails, and would be tried again
    while "running" in _all_states(place, name):
        time.sleep(0.05)
    with transaction(place.database) as connection:
        connection.execute(
            delivery.update()
            .where(delivery.c.state == "pending")
            .values(state="cancelled", finished_at=sa.func.clock_timestamp())
        )


@contextmanager
def _silent() -> Iterator[int]:
    """Listen and take whatever comes, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)  # or `accept` waits on
        for one in kept:
            one.close()


@contextmanager
def _place(folder: Path, customers: int, segments: Sequence[str]) -> Iterator[Place]:
    """Start a PostgreSQL and write a store with published segments."""
    home = Home(folder / "home")
    folder.mkdir()
    home.create()
    server = Postgres(
        home, choose_port("PostgreSQL", "MUSTER_POSTGRES_PORT", fixed=None, last=None)
    )
    with running(server, home):
        migrate(server.url)
        lake = Lake(str(folder / "lake"))
        settings = Settings(
            home=home.path,
            database_url=SecretStr(server.url),
            lake_url=lake.url,
            outbound_allow="127.0.0.1",
        )
        database = open_database(settings.database(), application="benchmark")
        with transaction(database) as connection:
            profile = member_store.build(connection, lake, customers, list(segments))
        try:
            yield Place(folder=folder, settings=settings, database=database, profile=profile)
        finally:
            database.dispose()
    shutil.rmtree(folder, ignore_errors=True)


def _apply(
    place: Place, name: str, segments: Sequence[str], connection: object, **more: object
) -> None:
    """Apply an export; nothing is delivered before it is asked for."""
    written = {"name": name, "connection": connection, "segments": list(segments)}
    document = parse_export({**written, "columns": _COLUMNS, "schedule": "manual", **more})
    with transaction(place.database) as transacting:
        apply_export(transacting, document)


def _request(place: Place, *exports: str) -> None:
    """Ask for the deliveries of exports, all at once and in this order."""
    with transaction(place.database) as connection:
        for name in exports:
            request_delivery(connection, name, actor="benchmark")


@contextmanager
def _exporter(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """Run an exporter that looks by itself; it is killed in the end, whatever hangs in it."""
    environment = os.environ | {
        "DATABASE_URL": place.settings.database(),
        "LAKE_URL": place.settings.lake(),
        "MUSTER_HOME": str(place.settings.home),
        "MUSTER_OUTBOUND_ALLOW": "127.0.0.1",
        "MUSTER_SWEEP_SECONDS": "0.2",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "muster_exporter", "--direct"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _wait(place: Place, export: str, deliveries: int) -> None:
    """Wait until so many deliveries of an export have arrived.

    Raises:
        RuntimeError: one failed, or it takes for ever.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = _all_states(place, export)
        if "failed" in found:
            raise RuntimeError(f"a delivery of {export} failed")
        if len(found) == deliveries and set(found) == {"delivered"}:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the deliveries of {export} do not end")


def _span(place: Place, exports: list[str]) -> float:
    """Return the seconds from the first begin to the last end, without the exporter's own start."""
    query = sa.text(
        "SELECT max(d.finished_at) - min(d.started_at)"
        "  FROM delivery d JOIN export e ON e.id = d.export_id WHERE e.name = ANY(:names)"
    )
    with transaction(place.database) as connection:
        return float(connection.execute(query, {"names": exports}).scalar_one().total_seconds())


def _all_states(place: Place, name: str) -> list[str]:
    query = sa.text(
        "SELECT d.state FROM delivery d JOIN export e ON e.id = d.export_id WHERE e.name = :name"
    )
    with transaction(place.database) as connection:
        return list(connection.scalars(query, {"name": name}))


def _peak(pid: int) -> int:
    """Return the most resident memory that a process ever had, in bytes; it has no children."""
    if psutil.Process(pid).children():
        raise RuntimeError("the exporter has children whose memory is not counted")
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    if found is None:
        raise RuntimeError("this system does not tell the peak of a process's memory")
    return int(found[1]) * 1024


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _mark(reached: bool) -> str:
    return "" if reached else " (misses the target)"
