"""``python -m tests.unit.kernel.measured MIB``: evaluate many segments within MIB (0: unbounded), say what it took.

A process of its own, since only the system knows what NumPy and Arrow take together.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.catalog.document import Catalog, Relationship, Source, Table
from muster_core.kernel.budget import PROCESS_BYTES, cut, most_memory
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.extent import Extent
from muster_core.kernel.plan import PlannedSegment, compile_plan
from muster_core.kernel.source import ArrowPartition
from muster_core.rules.document import parse_segment

CUSTOMERS, ROWS, SEGMENTS = 100_000, 250_000, 1_000
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400_000_000

CATALOG = Catalog(
    profile=Table(
        name="customers",
        source=Source(parquet="/c"),
        columns={"id": "integer", "age": "integer", "city": "text"},
    ),
    key="id",
    tables={
        "orders": Table(
            name="orders",
            source=Source(parquet="/o"),
            columns={
                "customer": "integer",
                "at": "timestamp",
                "total": "decimal(12,2)",
                "state": "text",
            },
            time="at",
        )
    },
    relationships=[
        Relationship.model_validate(
            {"name": "r", "from": "orders.customer", "to": "customers.id", "kind": "many_to_one"}
        )
    ],
)


def partition() -> ArrowPartition:
    """Return customers with a few orders each, newest first."""
    random = np.random.default_rng(3)
    now = int(AS_OF.timestamp()) * 1_000_000
    times = np.sort(now - random.integers(0, 700 * DAY, ROWS))[::-1].copy()
    amounts = pa.array(random.integers(1, 900, ROWS)).cast(pa.decimal128(21, 2))
    states = pa.array([f"state {n}" for n in range(12)])
    cities = pa.array([f"city {n}" for n in range(500)])
    return ArrowPartition(
        customers=pa.table(
            {
                "id": np.arange(CUSTOMERS),
                "age": random.integers(18, 90, CUSTOMERS),
                "city": pa.DictionaryArray.from_arrays(
                    pa.array(random.integers(0, 500, CUSTOMERS), pa.int32()), cities
                ),
            }
        ),
        tables={
            "orders": pa.table(
                {
                    "_ordinal": random.integers(0, CUSTOMERS, ROWS).astype(np.int32),
                    "at": pa.array(times, pa.timestamp("us", "UTC")),
                    "total": amounts.cast(pa.decimal128(12, 2)),
                    "state": pa.DictionaryArray.from_arrays(
                        pa.array(random.integers(0, 12, ROWS), pa.int32()), states
                    ),
                }
            )
        },
        live=np.ones(CUSTOMERS, dtype=np.bool_),
        earlier={},
    )


def segment(number: int) -> PlannedSegment:
    """Return one of many segments, which share some aggregates and not all."""
    functions = [("count", None), ("sum", "total"), ("avg", "total"), ("max", "total")]
    function, column = functions[number % 4]
    rows: dict[str, Any] = {
        "kind": "rows",
        "table": "orders",
        "aggregate": {"function": function} | ({"column": column} if column else {}),
        "window": {"last": f"{7 + number % 83 * 8} days"},
        "where": {
            "kind": "attribute",
            "column": "state",
            "compare": "eq",
            "value": f"state {number % 3}",
        },
        "compare": "gte",
        "value": 1 + number // 400,
    }
    age = {"kind": "attribute", "column": "age", "compare": "gt", "value": 20 + number % 60}
    document = parse_segment(
        {"name": f"s{number}", "rules": [{"where": {"kind": "all", "of": [rows, age]}}]}
    )
    return PlannedSegment(segment_id=number, document=document, previous=None)


def main() -> None:
    """Evaluate once and print what was estimated and what was taken, in bytes."""
    memory = int(sys.argv[1]) << 20 or None
    plan = compile_plan([segment(n) for n in range(SEGMENTS)], CATALOG, AS_OF)
    part = partition()
    extent = Extent.of(plan.tables, part)
    splits = cut(plan, extent, memory)
    Path("/proc/self/clear_refs").write_text("5")  # the highest amount counts from here
    before = _status("VmRSS")
    result = evaluate(plan, part, memory=memory)
    taken = _status("VmHWM") - before
    digest = hashlib.sha256(np.ascontiguousarray(result.words).tobytes())
    digest.update(result.counts.tobytes())
    found = {
        "splits": len(splits),
        "passes": sum(len(split.passes) for split in splits),
        "estimated": most_memory(plan, extent, memory) - PROCESS_BYTES,
        "taken": taken,
        "result": digest.hexdigest(),
    }
    sys.stdout.write(json.dumps(found))


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
