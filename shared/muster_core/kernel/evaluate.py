"""Evaluating a plan on one partition: membership words and counts, nothing else leaves.

Sets of customers are packed eight to a byte, so a thousand segments' conditions fit into the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import parse_type
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.filter import passing
from muster_core.kernel.node import (
    AttributeNode,
    EveryoneNode,
    GroupNode,
    KeysNode,
    RowsNode,
    SegmentPlan,
)
from muster_core.kernel.plan import Plan
from muster_core.kernel.result import Result
from muster_core.kernel.scan import scan_table
from muster_core.kernel.source import Bits, Partition
from muster_core.kernel.tally import Counts, Tally, tallies_of
from muster_core.rules.predicate import SameRow

__all__ = ["PartitionResult", "Tally", "evaluate"]

Packed = NDArray[np.uint8]


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
    members = [evaluation.members(segment) for segment in plan.segments]
    return PartitionResult(
        plan=plan,
        words=_words(members, partition.size, plan.words),
        customers=_count(evaluation.alive),
        counts=evaluation.counts(members),
    )


class _Evaluation:
    def __init__(self, plan: Plan, partition: Partition) -> None:
        self._plan = plan
        self._partition = partition
        self.alive = _pack(partition.alive())
        self._sets: dict[int, Packed] = {}
        self._running: list[int] = []
        self._scan()
        self._filter()
        self._combine()

    def _scan(self) -> None:
        """Evaluate conditions on related rows, one table at a time."""
        for name, table in self._plan.tables.items():
            results: list[Result] = scan_table(name, table, self._partition)
            for place, node in enumerate(self._plan.conditions):
                if isinstance(node, RowsNode) and node.table == name:
                    passed = results[node.fold].passing(node.predicate)
                    self._sets[place] = _pack(passed) & self.alive

    def _filter(self) -> None:
        """Evaluate conditions on the profile, reading its columns once."""
        names: set[str] = set()
        for node in self._plan.conditions:
            if isinstance(node, AttributeNode):
                names.add(node.column)
                if isinstance(node.predicate, SameRow):
                    names.add(node.predicate.other)
            elif isinstance(node, KeysNode):
                names.add(self._plan.key)
        if not names or not self._partition.size:
            return
        arrays = self._partition.profile(sorted(names))
        columns: dict[str, Column] = {}

        def column(name: str, kind: str) -> Column:
            if name not in columns:
                columns[name] = Column(one_array(arrays[name]), parse_type(kind))
            return columns[name]

        for place, node in enumerate(self._plan.conditions):
            if isinstance(node, AttributeNode):
                passed = passing(node.predicate, column(node.column, node.kind), column)
                self._sets[place] = _pack(passed) & self.alive
            elif isinstance(node, KeysNode):
                self._sets[place] = (
                    _pack(_named(node, one_array(arrays[self._plan.key]))) & self.alive
                )

    def _combine(self) -> None:
        """Evaluate the rest, which only refers to earlier conditions."""
        for place, node in enumerate(self._plan.conditions):
            if isinstance(node, EveryoneNode):
                self._sets[place] = self.alive
            elif isinstance(node, GroupNode):
                self._sets[place] = self._group(node)
            elif place not in self._sets:  # a partition without customers
                self._sets[place] = np.zeros_like(self.alive)

    def _group(self, node: GroupNode) -> Packed:
        if node.node == "not":
            return self.alive & ~self._sets[node.of[0]]
        if not node.of:
            return np.zeros_like(self.alive)
        found = self._sets[node.of[0]]
        for part in node.of[1:]:
            found = found & self._sets[part] if node.node == "and" else found | self._sets[part]
        return found

    def members(self, segment: SegmentPlan) -> Packed:
        """Return the members of a segment: rules top-down, then manual changes; removing wins."""
        found = np.zeros_like(self.alive)
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
            self._running.append(_count(found))
        if segment.add is not None:
            found = found | self._sets[segment.add]
        if segment.remove is not None:
            found = found & ~self._sets[segment.remove]
        return found

    def counts(self, members: list[Packed]) -> Counts:
        """Return what was counted, once `members` was called for every segment in the plan's order."""
        heads = np.zeros((len(members), 3), dtype=np.int64)
        for place, packed in enumerate(members):
            heads[place, :2] = _count(packed)
        for place, earlier in self._earlier():
            heads[place, 1] = _count(members[place] & ~earlier)
            heads[place, 2] = _count(earlier & ~members[place])
        conditions = [_count(self._sets[place]) for place in range(len(self._plan.conditions))]
        return np.concatenate(
            [heads.ravel(), np.array([*conditions, *self._running], dtype=np.int64)]
        )

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
            yield place, _pack(bits)


def _named(node: KeysNode, keys: pa.Array) -> Bits:
    """Return which customers' keys are named; keys compare by their canonical text."""
    texts = keys.cast(pa.string())
    found: Bits = pc.is_in(texts, value_set=pa.array(node.keys, pa.string())).to_numpy(
        zero_copy_only=False
    )
    return found


def _pack(bits: Bits) -> Packed:
    return np.packbits(bits, bitorder="little")


def _count(packed: Packed) -> int:
    return int(np.bitwise_count(packed).sum(dtype=np.int64))


def _words(members: list[Packed], size: int, words: int) -> NDArray[np.uint64]:
    """Return the membership matrix: bit b of a customer is bit b % 64 of word b // 64."""
    found = np.zeros((size, words), dtype=np.uint64)
    for word in range(words):
        chosen = members[word * 64 : word * 64 + 64]
        octets = np.zeros((size, 8), dtype=np.uint8)
        for place in range(0, len(chosen), 8):
            rows = np.unpackbits(
                np.stack(chosen[place : place + 8]), axis=1, count=size, bitorder="little"
            )
            octets[:, place // 8] = np.packbits(rows, axis=0, bitorder="little")[0]
        found[:, word] = octets.view("<u8")[:, 0]
    return found
