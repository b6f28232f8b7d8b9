"""The product's own way from documents to members: check, compile, rank where `top` is used, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from tests.conformance.preparation import Prepared, Shape, catalog_of, prepare
from tests.conformance.reference_row import World

from muster_core.errors import InvalidInput, Problem
from muster_core.kernel.budget import least_memory
from muster_core.kernel.evaluate import PartitionResult, evaluate
from muster_core.kernel.extent import Extent
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.kernel.rank import thresholds_of
from muster_core.kernel.source import ArrowPartition
from muster_core.lake.manifest import Pointer
from muster_core.rules.check import Known, check_segments
from muster_core.rules.document import SegmentDocument, parse_segment
from muster_core.rules.measure import MeasureDocument

_PLAIN = Shape()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came out of one batch: members by document, and the counts the product made of them."""

    members: list[set[Any]]
    counts: list[int]
    running: list[list[int]]
    #: Members by JSON pointer into each document.
    nodes: list[dict[str, int]]


def members_of(
    world: World,
    as_of: datetime,
    documents: Sequence[dict[str, Any]],
    shape: Shape = _PLAIN,
    *,
    gone: frozenset[Any] = frozenset(),
    slack: int | None = None,
) -> Outcome:
    """Return the members of each document, all of one batch with the segments they refer to.

    `slack` is the bytes beside the least memory the plan can do with, None no bound at all.
    """
    others = [known for known in world.segments.values() if isinstance(known, dict)]
    named = [document | {"name": f"case_{place}"} for place, document in enumerate(documents)]
    parsed = [parse_segment(document) for document in (*named, *others)]
    problems = problems_of(world, parsed)
    assert problems == [], (problems, documents)
    prepared = prepare(world, shape, gone=gone)
    partitions = [
        replace(partition, earlier=earlier(world, keys))
        for partition, keys in zip(prepared.partitions, prepared.keys, strict=True)
    ]
    planned = [
        PlannedSegment(segment_id=place, document=document, previous=None)
        for place, document in enumerate(parsed)
    ]
    plan = compile_plan(
        planned,
        prepared.catalog,
        as_of,
        stored={name: pointer_of(place) for place, name in enumerate(stored_names(world))},
        measures=measures_of(world),
    )
    results = _evaluated(Plan.from_json(plan.to_json()), partitions, slack)
    return _outcome(results, prepared, len(documents))


def problems_of(world: World, documents: Sequence[SegmentDocument]) -> list[Problem]:
    """Return what the product finds wrong with documents when they are saved."""
    known = Known(segments={name: [] for name in stored_names(world)}, measures=measures_of(world))
    return check_segments(documents, catalog_of(world), known=known)


def refusal_of(world: World, document: dict[str, Any]) -> list[Problem]:
    """Return why a document cannot be saved: of its shape, or of what it says."""
    try:
        parsed = parse_segment(document | {"name": "case_0"})
    except InvalidInput as exc:
        return list(exc.problems)
    others = [known for known in world.segments.values() if isinstance(known, dict)]
    return problems_of(world, [parsed, *map(parse_segment, others)])


def measures_of(world: World) -> dict[str, MeasureDocument]:
    """Return the measures of a world as the product reads them."""
    return {
        name: MeasureDocument.model_validate({"name": name, "by": by})
        for name, by in world.measures.items()
    }


def _evaluated(
    plan: Plan, partitions: Sequence[ArrowPartition], slack: int | None
) -> list[PartitionResult]:
    memory: list[int | None] = [None] * len(partitions)
    if slack is not None:
        extents = [Extent.of(plan.tables, partition) for partition in partitions]
        memory = [least_memory(plan, extent) + slack for extent in extents]
    if plan.ranks:
        least = max((m for m in memory if m is not None), default=None)
        plan = plan.with_thresholds(thresholds_of(plan, partitions, least))
    pairs = zip(partitions, memory, strict=True)
    return [evaluate(plan, partition, memory=bound) for partition, bound in pairs]


def _outcome(results: Sequence[PartitionResult], prepared: Prepared, wanted: int) -> Outcome:
    members: list[set[Any]] = [set() for _ in range(wanted)]
    counts = [0] * wanted
    running: list[list[int]] = [[] for _ in range(wanted)]
    nodes: list[dict[str, int]] = [{} for _ in range(wanted)]
    for result, keys in zip(results, prepared.keys, strict=True):
        tallies = result.tallies
        for place in range(wanted):
            word = result.words[:, place // 64] >> np.uint64(place % 64)
            members[place] |= {keys[i] for i in np.flatnonzero(word & np.uint64(1))}
            counts[place] += tallies[place].count
            new = list(tallies[place].running)
            before = running[place] or [0] * len(new)
            running[place] = [a + b for a, b in zip(before, new, strict=True)]
            for pointer, count in tallies[place].nodes.items():
                nodes[place][pointer] = nodes[place].get(pointer, 0) + count
    return Outcome(members=members, counts=counts, running=running, nodes=nodes)


def stored_names(world: World) -> list[str]:
    """Return the segments whose members are stored, in the order of their bits."""
    return [name for name, known in world.segments.items() if isinstance(known, list)]


def pointer_of(bit: int) -> Pointer:
    return Pointer(manifest="stored", manifest_sha256="", bit=bit)


def earlier(world: World, keys: Sequence[Any]) -> dict[tuple[str, int], Any]:
    return {
        ("stored", bit): np.array([key in world.segments[name] for key in keys], dtype=np.bool_)
        for bit, name in enumerate(stored_names(world))
    }
