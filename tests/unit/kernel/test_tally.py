"""The counts of a partition on their way: small, in the plan's order, against the version before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import TerminalError
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.source import ArrowPartition
from muster_core.kernel.tally import pack_counts, tallies_of, unpack_counts
from muster_core.lake.manifest import Pointer
from muster_core.rules.document import parse_segment

CATALOG = Catalog(
    profile=Table(
        name="customers", source=Source(parquet="/c"), columns={"id": "text", "age": "integer"}
    ),
    key="id",
    tables={},
)


class Watched(ArrowPartition):
    """Notes which earlier members were asked for."""

    asked: ClassVar[list[tuple[str, int]]] = []

    def members(self, manifest: str, sha256: str, bit: int) -> Any:
        self.asked.append((manifest, bit))
        return super().members(manifest, sha256, bit)


def _partition(earlier: dict[tuple[str, int], Any] | None = None) -> Watched:
    return Watched(
        customers=pa.table({"id": ["x", "y"], "age": [30, 50]}),
        tables={},
        live=np.array([True, True]),
        earlier=earlier or {},
    )


def _older_than(years: int) -> dict[str, Any]:
    return {"kind": "attribute", "column": "age", "compare": "gt", "value": years}


def _plan(rules: list[list[dict[str, Any]]], before: list[Pointer | None]) -> Plan:
    segments = [
        PlannedSegment(
            segment_id=number,
            document=parse_segment({"name": f"s{number}", "rules": [{"where": w} for w in where]}),
            previous=previous,
        )
        for number, (where, previous) in enumerate(zip(rules, before, strict=True))
    ]
    return compile_plan(segments, CATALOG, datetime(2026, 3, 1, tzinfo=UTC))


def test_the_answer_of_a_task_is_small_however_many_segments_share_conditions() -> None:
    shared = [_older_than(years) for years in range(20, 40)]
    rules = [[{"kind": "all", "of": [*shared, _older_than(n)]}] for n in range(300)]
    plan = _plan(rules, [None] * 300)
    result = evaluate(plan, _partition())
    data = pack_counts(result.counts)
    assert (
        len(data) < 300 * 8
    )  # less than one 64-bit number for each segment with its 22 conditions
    assert tallies_of(plan, unpack_counts(plan, data)) == result.tallies
    assert result.tallies[7].nodes["/rules/0/where/of/0"] == 2
    assert result.tallies[7].nodes["/rules/0/where/of/10"] == 1
    assert result.tallies[60].running == (0,)


def test_an_answer_of_another_plan_is_refused() -> None:
    plan = _plan([[_older_than(40)]], [None])
    counts = evaluate(plan, _partition()).counts
    with pytest.raises(TerminalError, match="instead of"):
        unpack_counts(plan, pack_counts(counts[1:]))
    with pytest.raises(TerminalError, match="cannot be read"):
        unpack_counts(plan, b"nonsense")


def test_earlier_members_are_asked_for_matrix_by_matrix_and_bit_by_bit() -> None:
    pointers = [("b", 70), ("a", 3), ("b", 1), ("a", 2)]
    partition = _partition({pair: np.array([pair[1] > 2, True]) for pair in pointers})
    before = [Pointer(manifest=m, manifest_sha256="h", bit=bit) for m, bit in pointers]
    result = evaluate(_plan([[_older_than(40)]] * 4, [*before]), partition)
    assert partition.asked == sorted(pointers)
    assert [result.tallies[n].left for n in range(4)] == [1, 1, 0, 0]
    assert [result.tallies[n].joined for n in range(4)] == [0, 0, 0, 0]
