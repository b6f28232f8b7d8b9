"""Every kind of condition against a plain count of the same rows, and 500 segments of all kinds at once."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from benchmarks import kind, shop
from benchmarks.home import Home, running, watched
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.rank import thresholds_of
from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.rules.document import parse_segment
from muster_core.rules.measure import MeasureDocument

SEGMENTS = 500
#: The best of so many alternating runs.
ROUNDS = 7
#: What no kind should take longer than, in plain counts of the same rows.
TARGET = 5.0


def measure(customers: int) -> dict[str, Any]:
    """Prepare a shop, refresh many segments of it, and time each kind on the same store."""
    with tempfile.TemporaryDirectory(prefix="muster-benchmark-") as name:
        folder = Path(name)
        rows = shop.write(customers, folder)
        print(", ".join(f"{count:,} {table}" for table, count in rows.items()))
        with running(folder / "home") as home:
            batch = _batch(home, folder)
        store = _store(Lake(f"{folder}/home/lake"))
        return {"rows": rows, "batch": batch, "kinds": _kinds(store)}


def _batch(home: Home, folder: Path) -> dict[str, Any]:
    """Refresh the segments twice: the first time prepares the data, too."""
    documents = [*kind.MEASURES, *kind.segments(SEGMENTS)]
    (folder / "segments.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    home("catalog", "apply", folder / "catalog.yaml")
    home("segment", "apply", folder / "segments.yaml")
    found: dict[str, Any] = {}
    for name in ("first", "again"):
        began = time.perf_counter()
        with watched() as peak:
            runs = home("segment", "refresh", "--all", "--wait")["runs"]
        seconds = time.perf_counter() - began
        run = home("run", "show", str(runs[0]["run_id"]))
        failed = sum(r["state"] != "published" for r in runs)
        found[name] = {
            "segments": len(runs),
            "failed": failed,
            "seconds": seconds,
            "stages": run.get("seconds"),
            "jobs": len(run["engine_jobs"]),
            "peak_bytes_of_a_process": peak.one,
            "peak_bytes_together": peak.together,
        }
        print(
            f"{name:>6}: {len(runs)} segments ({failed} not published) in {seconds:.1f} s,"
            f" {found[name]['jobs']} jobs, at most {peak.one / 2**20:,.0f} MiB a process,"
            f" {peak.together / 2**20:,.0f} MiB together; {run.get('seconds')}"
        )
    return found


def _store(lake: Lake) -> Store:
    """Return the newest snapshot in a lake."""
    root = Path(lake.url.removeprefix("file://"))
    newest = max(root.rglob("snapshot-*.json"), key=lambda path: path.stat().st_mtime_ns)
    sha256 = hashlib.sha256(newest.read_bytes()).hexdigest()
    return Store.open(lake, str(newest.relative_to(root)), sha256)


def _kinds(store: Store) -> list[dict[str, Any]]:
    pa.set_cpu_count(1)
    found = []
    print(f"{'kind':<34} {'ms':>9} {'plain':>9} {'ratio':>7}")
    for name, (table, condition) in kind.KINDS.items():
        one, other = _evaluation(store, condition), _evaluation(store, kind.plain(table))
        mine, plain = _alternating(one, other)
        ratio = mine / plain
        mark = "" if ratio <= TARGET else "   above the target"
        print(f"{name:<34} {mine * 1000:9.1f} {plain * 1000:9.1f} {ratio:7.2f}{mark}")
        found.append(
            {"kind": name, "table": table, "seconds": mine, "plain": plain, "ratio": ratio}
        )
    return found


def _alternating(one: Callable[[], None], other: Callable[[], None]) -> tuple[float, float]:
    """Return the best time of each, run in turn."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for times, work in zip(taken, (one, other), strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return min(taken[0]), min(taken[1])


def _evaluation(store: Store, condition: kind.Node) -> Callable[[], None]:
    plan = _plan(store, condition)
    return lambda: _evaluate(store, plan)


def _plan(store: Store, condition: kind.Node) -> Plan:
    documents = [kind.OPTED_IN, {"name": "measured", "rules": [{"where": condition}]}]
    if condition["kind"] != "segment":
        documents = documents[1:]
    segments = [
        PlannedSegment(segment_id=number, document=parse_segment(document), previous=None)
        for number, document in enumerate(documents)
    ]
    measures = {m["name"]: MeasureDocument.model_validate(m) for m in kind.MEASURES}
    return compile_plan(segments, store.manifest.catalog, shop.AS_OF, measures=measures)


def _evaluate(store: Store, plan: Plan) -> None:
    partitions = [store.partition(number) for number in range(store.manifest.partitions)]
    if plan.ranks:
        plan = plan.with_thresholds(thresholds_of(plan, partitions))
    for partition in partitions:
        evaluate(plan, partition)
