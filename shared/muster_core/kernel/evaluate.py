"""Evaluating a plan on one partition: membership words and counts, nothing else leaves.

Sets of customers are packed eight to a byte, so a thousand segments' conditions fit into the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import parse_type
from muster_core.kernel.column import Column, one_array
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
from muster_core.kernel.packed import Packed, count, pack, words_of
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


def evaluate(plan: Plan, partition: Partition) -> PartitionResult:
    """Return the members of every segment of `plan` among the customers of `partition`."""
    evaluation = _Evaluation(plan, partition)
    members = [evaluation.members(place) for place in range(len(plan.segments))]
    return PartitionResult(
        plan=plan,
        words=words_of(members, partition.size, plan.words),
        customers=count(evaluation.alive),
        counts=evaluation.counts(members),
    )


class _Evaluation:
    def __init__(self, plan: Plan, partition: Partition) -> None:
        self._plan = plan
        self._partition = partition
        self._outside = Outside(partition, plan.gathered)
        self._stored: dict[str, Any] = {}
        self._columns: dict[str, Column] = {}
        self.alive = pack(partition.alive())
        self._sets: dict[int, Packed] = {}
        self._members: dict[int, Packed] = {}
        self._running: dict[int, list[int]] = {}
        if partition.size:
            self._scan()
            self._filter()
            self._combine()
        else:
            self._sets = dict.fromkeys(range(len(plan.conditions)), self.alive)

    def _scan(self) -> None:
        """Evaluate conditions on related rows, one table at a time; what more than one needs is kept."""
        needed = self._operands()
        kept: dict[Operand, Numbers] = {}
        for name, table in self._plan.tables.items():
            results: list[Result] = scan_table(name, table, self._partition)
            for place, node in enumerate(self._plan.conditions):
                if isinstance(node, RowsNode) and node.table == name:
                    self._set(place, results[node.fold].passing(node.predicate))
            for operand in needed:
                if operand.table == name:
                    kept[operand] = results[operand.fold].numbers()
        for place, node in enumerate(self._plan.conditions):
            if isinstance(node, CompareNode):
                left, right = kept[node.left], kept[node.right]
                self._set(place, related_numbers(left, node.relation, right, node.times))
            elif isinstance(node, TopNode):
                by = self._plan.ranks[node.rank].by
                numbers = kept[by] if isinstance(by, Operand) else self._ranked(by)
                self._set(place, self._top(node, numbers))

    def _operands(self) -> set[Operand]:
        found = {rank.by for rank in self._plan.ranks if isinstance(rank.by, Operand)}
        for node in self._plan.conditions:
            if isinstance(node, CompareNode):
                found |= {node.left, node.right}
        return found

    def _set(self, place: int, passed: Bits) -> None:
        self._sets[place] = pack(passed) & self.alive

    def _ranked(self, by: RankColumn) -> Numbers:
        return column_numbers(self._column(by.column, by.kind))

    def _top(self, node: TopNode, numbers: Numbers) -> Bits:
        rank, threshold = self._plan.ranks[node.rank], self._plan.thresholds[node.rank]
        return within(rank, threshold, numbers, self._profile(self._plan.key))

    def _filter(self) -> None:
        """Evaluate conditions on the profile, each column read once."""
        for place, node in enumerate(self._plan.conditions):
            passed = self._of_profile(node)
            if passed is not None:
                self._set(place, passed)
        stored = [(p, n) for p, n in enumerate(self._plan.conditions) if isinstance(n, StoredNode)]
        # bits of one version after each other: the partition keeps the one it read last
        stored.sort(key=lambda pair: (pair[1].version.manifest, pair[1].version.bit))
        for place, node in stored:
            version = node.version
            found = self._partition.members(version.manifest, version.manifest_sha256, version.bit)
            self._set(place, found)

    def _of_profile(self, node: ConditionNode) -> Bits | None:
        match node:
            case AttributeNode():
                return self._attribute(node)
            case KeysNode():
                return _named(node, self._profile(self._plan.key))
            case SampleNode():
                return sampled(node, self._profile(KEY_HASH))
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

    def _combine(self) -> None:
        """Evaluate the rest, which only refers to earlier conditions."""
        for place, node in enumerate(self._plan.conditions):
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
        running = self._running[place] = []
        for rule in segment.rules:
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
            running.append(count(found))
        if segment.add is not None:
            found = found | self._sets[segment.add]
        if segment.remove is not None:
            found = found & ~self._sets[segment.remove]
        return found

    def counts(self, members: list[Packed]) -> Counts:
        """Return what was counted, once `members` was called for every segment."""
        heads = np.zeros((len(members), 3), dtype=np.int64)
        for place, packed in enumerate(members):
            heads[place, :2] = count(packed)
        for place, earlier in self._earlier():
            heads[place, 1] = count(members[place] & ~earlier)
            heads[place, 2] = count(earlier & ~members[place])
        conditions = [count(self._sets[place]) for place in range(len(self._plan.conditions))]
        running = [number for place in range(len(members)) for number in self._running[place]]
        return np.concatenate([heads.ravel(), np.array([*conditions, *running], dtype=np.int64)])

    def _earlier(self) -> Iterator[tuple[int, Packed]]:
        """Yield the places of segments with a version before, and its members, neighbours together."""
        known = [
            (segment.previous, place)
            for place, segment in enumerate(self._plan.segments)
            if segment.previous is not None
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
