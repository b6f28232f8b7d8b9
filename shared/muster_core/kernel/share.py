"""Whose conditions a batch spends its work on: what a segment needs, shared where several need it.

An aggregate costs the rows of its table, once more where customers are ranked by it; a condition on the profile
costs the customers. Each is divided equally among the segments whose rules hold it. Sets of customers that are
combined cost next to nothing, and a segment that another one refers to bears its own work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping

from muster_core.kernel.budget import conditions_of
from muster_core.kernel.node import (
    AttributeNode,
    CompareNode,
    ConditionNode,
    KeysNode,
    Operand,
    RowsNode,
    SampleNode,
    TopNode,
)
from muster_core.kernel.plan import Plan


def work_of(plan: Plan, customers: int, rows: Mapping[str, int]) -> dict[int, float]:
    """Return the work each segment of `plan` bears, by its id, in rows looked at.

    `rows` are those of each related table the plan reads, `customers` those of the profile.
    """
    cost: dict[Hashable, float] = {}
    users: dict[Hashable, set[int]] = defaultdict(set)
    for segment in plan.segments:
        for place in conditions_of(plan, segment):
            for item, amount in _items(plan, place, plan.conditions[place], customers, rows):
                cost[item] = max(amount, cost.get(item, 0.0))
                users[item].add(segment.segment_id)
    work = {segment.segment_id: 0.0 for segment in plan.segments}
    for item, needed_by in users.items():
        for segment_id in needed_by:
            work[segment_id] += cost[item] / len(needed_by)
    return work


def shares_of(work: Mapping[int, float]) -> dict[int, float]:
    """Return each one's part of all the work, 0 to 1; equal parts where there is none at all."""
    total = sum(work.values())
    if not total:
        return {key: 1 / len(work) for key in work}
    return {key: amount / total for key, amount in work.items()}


def _items(
    plan: Plan, place: int, node: ConditionNode, customers: int, rows: Mapping[str, int]
) -> Iterator[tuple[Hashable, float]]:
    """Yield what a condition has computed, and what that costs."""
    match node:
        case RowsNode():
            yield (node.table, node.fold), rows[node.table]
        case CompareNode():
            for side in (node.left, node.right):
                yield (side.table, side.fold), rows[side.table]
        case TopNode():
            by = plan.ranks[node.rank].by
            if isinstance(by, Operand):
                yield (by.table, by.fold), 2 * rows[by.table]
            else:
                yield place, 2 * customers
        case AttributeNode() | KeysNode() | SampleNode():
            yield place, customers
        case _:
            return
