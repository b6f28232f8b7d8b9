"""Evaluating a plan on one partition: membership words and counts, nothing else leaves.

Sets of customers are packed eight to a byte, so a thousand segments' conditions fit into the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import parse_type
from muster_core.kernel.budget import Split, cut
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.extent import Extent
from muster_core.kernel.filter import passing
from muster_core.kernel.gather import Outside
from muster_core.kernel.node import (
    AttributeNode,
    CompareNode,
    ConditionNode,
    EveryoneNode,
    GroupNode,
    KeysNode,
    MemberNode,
    Operand,
    RankColumn,
    RowsNode,
    SampleNode,
    SegmentPlan,
    StoredNode,
    TopNode,
)
from muster_core.kernel.number import Numbers, related_numbers
from muster_core.kernel.packed import Packed, WordMatrix, count, pack
from muster_core.kernel.passes import Pass
from muster_core.kernel.plan import Plan
from muster_core.kernel.rank import within
from muster_core.kernel.result import Result, column_numbers
from muster_core.kernel.sample import sampled
from muster_core.kernel.scan import scan_table
from muster_core.kernel.source import Bits, Partition
from muster_core.kernel.tally import Counts, Tally, tallies_of
from muster_core.lake.manifest import KEY_HASH
from muster_core.rules.predicate import SameRow

__all__ = ["PartitionResult", "Tally", "evaluate"]

#: Conditions by their places.
Nodes = Sequence[tuple[int, ConditionNode]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionResult:
    """`words` has one row an ordinal and one column a 64-bit word; `customers` counts the alive."""

    plan: Plan
    words: NDArray[np.uint64]
    customers: int
    counts: Counts

    @property
    def tallies(self) -> dict[int, Tally]:
        """Return the counts by segment."""
        return tallies_of(self.plan, self.counts)


def evaluate(plan: Plan, partition: Partition, *, memory: int | None = None) -> PartitionResult:
    """Return the members of every segment of `plan` among the customers of `partition`.

    `memory` bounds what the process may take, in bytes, see `muster_core.kernel.budget`; the result is the same.

    Raises:
        TaskMemoryExceeded: a segment needs more than `memory` even alone.
    """
    evaluation = _Evaluation(plan, partition)
    if partition.size:
        for split in cut(plan, Extent.of(plan.tables, partition), memory):
            evaluation.run(split)
    return PartitionResult(
        plan=plan,
        words=evaluation.matrix.words,
        customers=count(evaluation.alive),
        counts=evaluation.counts(),
    )


class _Evaluation:
    def __init__(self, plan: Plan, partition: Partition) -> None:
        self._plan = plan
        self._partition = partition
        self._outside = Outside(partition, plan.gathered)
        self._stored: dict[str, Any] = {}
        self._columns: dict[str, Column] = {}
        self.alive = pack(partition.alive())
        self.matrix = WordMatrix(partition.size, plan.words)
        self._sets: dict[int, Packed] = {}
        self._members: dict[int, Packed] = {}
        self._referred = {n.segment for n in plan.conditions if isinstance(n, MemberNode)}
        self._heads = np.zeros((len(plan.segments), 3), dtype=np.int64)
        self._conditions = np.zeros(len(plan.conditions), dtype=np.int64)
        self._running = [[0] * len(segment.rules) for segment in plan.segments]

    def run(self, split: Split) -> None:
        """Decide the segments of `split`; only the members that others may refer to are kept."""
        nodes = [(place, self._plan.conditions[place]) for place in split.conditions]
        for made in split.passes:
            self._scan(made)
        self._filter(nodes)
        self._combine(nodes)
        members = {place: self.members(place) for place in split.segments}
        self.matrix.put(members)
        self._count(members)
        self._sets = {}
        self._members = {p: m for p, m in self._members.items() if p in self._referred}

    def _scan(self, made: Pass) -> None:
        """Decide conditions on related rows, one table at a time; what more than one needs is kept."""
        nodes = [(place, self._plan.conditions[place]) for place in made.decided]
        needed = self._operands(nodes)
        kept: dict[Operand, Numbers] = {}
        for name, folds in made.folds.items():
            found = scan_table(name, self._plan.tables[name], self._partition, folds)
            results: dict[int, Result] = dict(zip(folds, found, strict=True))
            for place, node in nodes:
                if isinstance(node, RowsNode) and node.table == name:
                    self._set(place, results[node.fold].passing(node.predicate))
            for operand in needed:
                if operand.table == name:
                    kept[operand] = results[operand.fold].numbers()
            # before the next table is read
            del found, results
        for place, node in nodes:
            if isinstance(node, CompareNode):
                left, right = kept[node.left], kept[node.right]
                self._set(place, related_numbers(left, node.relation, right, node.times))
            elif isinstance(node, TopNode):
                by = self._plan.ranks[node.rank].by
                assert isinstance(by, Operand)
                self._set(place, self._top(node, kept[by]))

    def _operands(self, nodes: Nodes) -> set[Operand]:
        found: set[Operand] = set()
        for _, node in nodes:
            if isinstance(node, CompareNode):
                found |= {node.left, node.right}
            elif isinstance(node, TopNode):
                by = self._plan.ranks[node.rank].by
                found |= {by} if isinstance(by, Operand) else set()
        return found

    def _set(self, place: int, passed: Bits) -> None:
        self._sets[place] = pack(passed) & self.alive

    def _top(self, node: TopNode, numbers: Numbers) -> Bits:
        rank, threshold = self._plan.ranks[node.rank], self._plan.thresholds[node.rank]
        return within(rank, threshold, numbers, self._profile(self._plan.key))

    def _filter(self, nodes: Nodes) -> None:
        """Decide conditions on the profile, those on one column together: it is read once."""
        reading = None
        for place, node in sorted(nodes, key=lambda pair: getattr(pair[1], "column", "")):
            if isinstance(node, AttributeNode) and node.column != reading:
                reading = node.column
                self._forget()
            passed = self._of_profile(node)
            if passed is not None:
                self._set(place, passed)
        self._forget()
        stored = [(place, node.version) for place, node in nodes if isinstance(node, StoredNode)]
        # bits of one version after each other: the partition keeps the one it read last
        for place, version in sorted(stored, key=lambda pair: (pair[1].manifest, pair[1].bit)):
            found = self._partition.members(version.manifest, version.manifest_sha256, version.bit)
            self._set(place, found)

    def _forget(self) -> None:
        self._stored.clear()
        self._columns.clear()

    def _of_profile(self, node: ConditionNode) -> Bits | None:
        match node:
            case AttributeNode():
                return self._attribute(node)
            case KeysNode():
                return _named(node, self._profile(self._plan.key))
            case SampleNode():
                return sampled(node, self._profile(KEY_HASH))
            case TopNode() if isinstance(by := self._plan.ranks[node.rank].by, RankColumn):
                return self._top(node, column_numbers(self._column(by.column, by.kind)))
            case _:
                return None

    def _attribute(self, node: AttributeNode) -> Bits:
        if node.column in self._outside and not isinstance(node.predicate, SameRow):
            places = self._outside.places(node.column, self._profile, None)
            return self._outside.passing(node.column, node.predicate, places)
        return passing(node.predicate, self._column(node.column, node.kind), self._column)

    def _profile(self, name: str) -> Any:
        """Return a stored column of the profile, read once."""
        known = self._stored.get(name)
        if known is None:
            known = self._stored[name] = one_array(self._partition.profile([name])[name])
        return known

    def _column(self, name: str, kind: str) -> Column:
        known = self._columns.get(name)
        if known is None:
            if name in self._outside:
                places = self._outside.places(name, self._profile, None)
                known = self._outside.gathered(name, places)
            else:
                known = Column(self._profile(name), parse_type(kind))
            self._columns[name] = known
        return known

    def _combine(self, nodes: Nodes) -> None:
        """Decide the rest, which only refers to earlier conditions."""
        for place, node in nodes:
            if isinstance(node, EveryoneNode):
                self._sets[place] = self.alive
            elif isinstance(node, GroupNode):
                self._sets[place] = self._group(node)
            elif isinstance(node, MemberNode):
                self._sets[place] = self.members(node.segment)

    def _group(self, node: GroupNode) -> Packed:
        if node.node == "not":
            return self.alive & ~self._sets[node.of[0]]
        if not node.of:
            return np.zeros_like(self.alive)
        found = self._sets[node.of[0]]
        for part in node.of[1:]:
            found = found & self._sets[part] if node.node == "and" else found | self._sets[part]
        return found

    def members(self, place: int) -> Packed:
        """Return the members of the plan's segment at `place`, decided once."""
        known = self._members.get(place)
        if known is None:
            known = self._members[place] = self._decide(place, self._plan.segments[place])
        return known

    def _decide(self, place: int, segment: SegmentPlan) -> Packed:
        """Return the members of a segment: rules top-down, then manual changes; removing wins."""
        found = np.zeros_like(self.alive)
        running = self._running[place]
        for number, rule in enumerate(segment.rules):
            chosen = self._sets[rule.condition]
            match rule.combine:
                case None:
                    found = chosen
                case "union":
                    found = found | chosen
                case "intersect":
                    found = found & chosen
                case "except":
                    found = found & ~chosen
            running[number] = count(found)
        if segment.add is not None:
            found = found | self._sets[segment.add]
        if segment.remove is not None:
            found = found & ~self._sets[segment.remove]
        return found

    def _count(self, members: Mapping[int, Packed]) -> None:
        """Count a split's members, against the version before, and everyone its conditions name."""
        for place, packed in members.items():
            self._heads[place, :2] = count(packed)
        for place, earlier in self._earlier(members):
            self._heads[place, 1] = count(members[place] & ~earlier)
            self._heads[place, 2] = count(earlier & ~members[place])
        for place, packed in self._sets.items():
            self._conditions[place] = count(packed)

    def counts(self) -> Counts:
        """Return what was counted, once every split has been run."""
        running = [number for numbers in self._running for number in numbers]
        parts = (self._heads.ravel(), self._conditions, np.array(running, dtype=np.int64))
        return np.concatenate(parts)

    def _earlier(self, places: Iterable[int]) -> Iterator[tuple[int, Packed]]:
        """Yield the places of segments with a version before, and its members, neighbours together."""
        known = [
            (before, place)
            for place in places
            if (before := self._plan.segments[place].previous) is not None
        ]
        known.sort(key=lambda pair: (pair[0].manifest, pair[0].bit))
        for before, place in known:
            bits = self._partition.members(before.manifest, before.manifest_sha256, before.bit)
            yield place, pack(bits)


def _named(node: KeysNode, keys: pa.Array) -> Bits:
    """Return which customers' keys are named; keys compare by their canonical text."""
    texts = keys.cast(pa.string())
    found: Bits = pc.is_in(texts, value_set=pa.array(node.keys, pa.string())).to_numpy(
        zero_copy_only=False
    )
    return found
