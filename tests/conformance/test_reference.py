"""Kernels and the plain-Python reference agree on random customers, rows and rules."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.generation import AS_OF, CATALOG, TIMES, documents, partition_of, worlds
from tests.conformance.reference_former import Reference

from muster_core.kernel.evaluate import PartitionResult, evaluate
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.source import ArrowPartition
from muster_core.kernel.tally import tallies_of
from muster_core.rules.canonical import canonical, rule_hash
from muster_core.rules.document import parse_segment

_slow = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
World = tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]


def _plan(*given_documents: dict[str, Any]) -> Plan:
    planned = [
        PlannedSegment(segment_id=i, document=parse_segment(data), previous=None)
        for i, data in enumerate(given_documents)
    ]
    return Plan.from_json(compile_plan(planned, CATALOG, AS_OF).to_json())


def _run(plan: Plan, partition: ArrowPartition) -> PartitionResult:
    return evaluate(plan, partition)


def _bits(result: PartitionResult, bit: int) -> list[bool]:
    word = result.words[:, bit // 64] >> np.uint64(bit % 64)
    return [bool(value) for value in word & np.uint64(1)]


@_slow
@given(world=worlds(), document=documents(), chunk=st.sampled_from([1, 3, 1000]))
def test_kernels_and_reference_agree(world: World, document: dict[str, Any], chunk: int) -> None:
    customers, tables = world
    reference = Reference(
        customers=customers,
        tables=tables,
        times=TIMES,
        as_of=AS_OF,
        zone=ZoneInfo(document["timezone"]),
    )
    result = _run(_plan(document), partition_of(customers, tables, chunk_rows=chunk))
    members = reference.members(document)
    assert _bits(result, 0) == members
    assert result.tallies[0].count == sum(members)
    assert result.tallies[0].running[-1] == sum(members)


@settings(_slow, max_examples=60)
@given(world=worlds(), batch=st.lists(documents(), min_size=1, max_size=5))
def test_neither_chunks_nor_order_nor_company_nor_partitions_change_a_result(
    world: World, batch: list[dict[str, Any]]
) -> None:
    customers, tables = world
    plan = _plan(*batch)
    whole = _run(plan, partition_of(customers, tables, chunk_rows=1000))
    small = _run(plan, partition_of(customers, tables, chunk_rows=2, newest_first=False))
    assert np.array_equal(whole.words, small.words)
    alone = _run(_plan(batch[-1]), partition_of(customers, tables, chunk_rows=1000))
    assert _bits(whole, len(batch) - 1) == _bits(alone, 0)

    counts = np.zeros_like(whole.counts)
    for remainder in (0, 1):
        part = _half(customers, tables, remainder)
        result = _run(plan, partition_of(*part, chunk_rows=5))
        assert np.array_equal(whole.words[remainder::2], result.words)
        counts += result.counts
    assert tallies_of(plan, counts) == whole.tallies


@settings(_slow, max_examples=100)
@given(document=documents())
def test_the_canonical_form_reads_back_with_the_same_hash_and_plan(
    document: dict[str, Any],
) -> None:
    parsed = parse_segment(document)
    again = parse_segment(canonical(parsed))
    assert canonical(again) == canonical(parsed)
    assert rule_hash(again) == rule_hash(parsed)
    one, two = (
        compile_plan([PlannedSegment(segment_id=1, document=d, previous=None)], CATALOG, AS_OF)
        for d in (parsed, parse_segment(parsed.model_dump(mode="json")))
    )
    assert one.sha256 == two.sha256


def _half(
    customers: list[dict[str, Any]], tables: dict[str, list[dict[str, Any]]], remainder: int
) -> World:
    return customers[remainder::2], {
        name: [
            row | {"_ordinal": row["_ordinal"] // 2}
            for row in rows
            if row["_ordinal"] % 2 == remainder
        ]
        for name, rows in tables.items()
    }
