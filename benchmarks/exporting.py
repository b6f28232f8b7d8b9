"""What delivering costs: against a bare PyArrow writer of the same rows, in memory, and beside a sink that hangs.

A real exporter process delivers from a store written through the lake's own code; nothing else of Muster runs but
PostgreSQL. The bare writer reads the same columns of the same files and writes them in the same way, in a process of
its own; the two take turns.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from benchmarks import machine
from benchmarks.delivery_place import (
    Place,
    apply_document,
    exporter,
    mark,
    open_place,
    request,
    wait,
)
from benchmarks.hanging import SEGMENTS, beside_one_that_hangs
from muster_core.storage.database import transaction
from muster_core.storage.export_table import delivery

FORMS = ("csv.gz", "parquet")
#: What a delivery should take at the most, in times of the bare writer.
TARGET_RATIO = 1.5
TARGET_BYTES = 400 * 10**6


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
        with open_place(folder / "large", members, ["everybody"]) as place:
            found["forms"] = [_compare(place, form, members, rounds) for form in FORMS]
        names = [f"s{n}" for n in range(SEGMENTS)]
        with open_place(folder / "small", hang_members, names) as place:
            found["hanging"] = beside_one_that_hangs(place, names, hang_members, pairs)
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
        f" {statistics.median(plain):.1f} s, ratio {ratio:.2f}{mark(ratio <= TARGET_RATIO)};"
        f" exporter at most {max(peaks) / 1e6:.0f} MB{mark(max(peaks) < TARGET_BYTES)}"
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
    apply_document(place, name, ["everybody"], {"kind": "folder", "path": str(target)}, format=form)
    request(place, name)
    with exporter(place) as process:
        wait(place, name, 1)
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
