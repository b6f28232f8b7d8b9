"""The gain of sharing: more and more segments on the demo shop against reading its files once.

Both sides run in this process on one core, so the ratios mean something on a busy machine, too.
The read floor is PyArrow decoding every column of the shop once, with one thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import muster_console.demo
from benchmarks.shop_store import prepared
from muster_console.demo.shop import make_shop, write_shop
from muster_core.catalog.document import Catalog
from muster_core.catalog.text import read_catalog
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.kernel.source import ArrowPartition
from muster_core.lake.inspect import resolve_catalog
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.text import read_documents

DEMO = Path(muster_console.demo.__file__).parent
AS_OF = datetime.now(UTC)
#: The best of so many runs; the others tell how quiet the machine was.
ROUNDS = 3


def measure(customers: int, counts: list[int]) -> dict[str, Any]:
    """Make a shop, then time reading it and evaluating more and more segments on it."""
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        rows = write_shop(make_shop(customers, until=AS_OF), data)
        text = (DEMO / "catalog.yaml").read_text()
        document = read_catalog(text, "catalog.yaml")
        catalog = resolve_catalog(document, base=Path(folder)).catalog
        floor = best(lambda: read_everything(data))
        partition = prepared(data)
    print(", ".join(f"{count:,} {name}" for name, count in rows.items()))
    print(f"{'read floor':>14} {floor:8.3f} s")
    documents = read_documents((DEMO / "segments.yaml").read_text(), file="segments.yaml")
    found = []
    for count in counts:
        seconds = best(refresh(catalog, partition, varied(documents, count)))
        print(f"{count:>5} segments {seconds:8.3f} s  {seconds / floor:6.1f} x the read floor")
        found.append({"segments": count, "seconds": seconds, "ratio": seconds / floor})
    return {"rows": rows, "floor_seconds": floor, "refreshes": found}


def read_everything(data: Path) -> None:
    """Decode every column of every table once."""
    for name in ("customers.parquet", "orders", "order_lines", "activities"):
        pq.read_table(data / name, use_threads=False)


def refresh(
    catalog: Catalog, partition: ArrowPartition, documents: list[SegmentDocument]
) -> Callable[[], object]:
    """Return what compiles and evaluates the segments once, as a worker's task does."""
    segments = [
        PlannedSegment(segment_id=number, document=document, previous=None)
        for number, document in enumerate(documents)
    ]
    return lambda: evaluate(compile_plan(segments, catalog, AS_OF), partition)


def varied(documents: list[SegmentDocument], count: int) -> list[SegmentDocument]:
    """Return `count` segments: the demo's, then the same with other windows and thresholds."""
    found = []
    for number in range(count):
        document = documents[number % len(documents)]
        turn = number // len(documents)
        data = document.model_dump(mode="json", by_alias=True, exclude_unset=True)
        found.append(parse_segment(_turned(data, turn) | {"name": f"s{number}"}))
    return found


def _turned(value: Any, turn: int) -> Any:
    """Return the document with every `last N unit` a little longer and every threshold a little higher."""
    if isinstance(value, list):
        return [_turned(inner, turn) for inner in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _turned(inner, turn) for key, inner in value.items()}
    if isinstance(changed.get("last"), str):
        number, unit = changed["last"].split()
        changed["last"] = f"{int(number) + turn % 10} {unit}"
    if changed.get("kind") == "rows" and changed.get("compare") in ("gte", "gt"):
        changed["value"] = str(float(changed["value"]) + turn // 10)
    return changed


def best(work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of `ROUNDS` runs."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
