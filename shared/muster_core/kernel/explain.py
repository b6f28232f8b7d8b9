"""Why one customer is in or out: the verdict of every condition, and what it was decided by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.kernel.customer import OneCustomer
from muster_core.kernel.evaluate import evaluate
from muster_core.kernel.gather import Outside
from muster_core.kernel.node import (
    AttributeNode,
    CompareNode,
    GroupNode,
    Operand,
    RankColumn,
    RowsNode,
    TopNode,
)
from muster_core.kernel.plan import Plan
from muster_core.kernel.witness import Witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a verdict comes from: a value, and the rows of one table it was made of, newest first."""

    value: Any
    #: A table of the store; None for a column of the profile.
    table: str | None = None
    #: Its places in `OneCustomer.table`.
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a condition holds; a comparison of two aggregates has two grounds, groups have none."""

    holds: bool
    grounds: tuple[Ground, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One customer against one segment of a plan."""

    member: bool
    #: By JSON pointer into the document, for every rule and condition.
    verdicts: Mapping[str, Verdict]
    #: Whether the customer is in the result after each rule.
    running: tuple[bool, ...] = field(default=())


def explain(plan: Plan, customer: OneCustomer, place: int = 0) -> Explained:
    """Return why `customer` is a member of the plan's segment at `place`, or is not."""
    result = evaluate(plan, customer)
    segment = plan.segments[place]
    tally = result.tallies[segment.segment_id]
    reader = _Reader(plan, customer)
    word = result.words[0, segment.bit // 64] >> np.uint64(segment.bit % 64)
    return Explained(
        member=bool(word & np.uint64(1)),
        verdicts={
            pointer: Verdict(
                holds=bool(tally.nodes[pointer]),
                grounds=() if _is_made_of_others(pointer, segment.nodes) else reader.grounds(node),
            )
            for pointer, node in segment.nodes.items()
        },
        running=tuple(bool(count) for count in tally.running),
    )


def _is_made_of_others(pointer: str, nodes: Mapping[str, int]) -> bool:
    """Whether a condition of the document is a rule, or has conditions below it that stand for themselves."""
    return f"{pointer}/where" in nodes or any(other.startswith(f"{pointer}/of") for other in nodes)


class _Reader:
    def __init__(self, plan: Plan, customer: OneCustomer) -> None:
        self._plan = plan
        self._customer = customer
        self._tables: dict[str, Witnesses] = {}
        self._outside = Outside(customer, plan.gathered)

    def grounds(self, place: int) -> tuple[Ground, ...]:
        """Return what a condition of the document is decided by; one may be several of the plan."""
        node = self._plan.conditions[place]
        match node:
            case GroupNode():
                found: list[Ground] = []
                for of in node.of:
                    found += [ground for ground in self.grounds(of) if ground not in found]
                return tuple(found)
            case AttributeNode():
                return (Ground(value=self._attribute(node.column)),)
            case RowsNode():
                return (self._of_rows(Operand(table=node.table, fold=node.fold)),)
            case CompareNode():
                return self._of_rows(node.left), self._of_rows(node.right)
            case TopNode():
                by = self._plan.ranks[node.rank].by
                if isinstance(by, RankColumn):
                    return (Ground(value=self._attribute(by.column)),)
                return (self._of_rows(by),)
        return ()

    def _attribute(self, column: str) -> Any:
        if column in self._outside:
            places = self._outside.places(column, self._profile, None)
            return self._outside.gathered(column, places).array[0].as_py()
        return self._profile(column)[0].as_py()

    def _profile(self, name: str) -> Any:
        return self._customer.profile([name])[name].combine_chunks()

    def _of_rows(self, operand: Operand) -> Ground:
        table = self._plan.tables[operand.table]
        known = self._tables.get(operand.table)
        if known is None:
            known = Witnesses(operand.table, table, self._customer)
            self._tables[operand.table] = known
        fold = table.folds[operand.fold]
        return Ground(
            value=known.value(fold),
            table=operand.table,
            rows=tuple(known.of(fold).tolist()),
        )


def shown_rows(customer: OneCustomer, ground: Ground, limit: int) -> list[dict[str, Any]]:
    """Return the first `limit` rows of a ground with all their columns, those of the store left out."""
    if ground.table is None:
        return []
    table = customer.table(ground.table)
    chosen = table.take(pa.array(ground.rows[:limit], pa.int64()))
    names = [name for name in chosen.schema.names if not name.startswith("_")]
    rows: list[dict[str, Any]] = chosen.select(names).to_pylist()
    return rows
