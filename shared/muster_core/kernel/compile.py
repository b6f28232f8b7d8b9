"""Resolved conditions made into nodes of a plan, so that every distinct one stands once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import xxhash

from muster_core.kernel.node import (
    AnyFold,
    AttributeNode,
    CompareNode,
    ConditionNode,
    EveryoneNode,
    Fold,
    Gathered,
    GroupNode,
    HeldFold,
    LastRowFold,
    Lookup,
    MemberNode,
    Operand,
    PeriodsFold,
    Rank,
    RankColumn,
    RowNode,
    RowsNode,
    RowTest,
    SampleNode,
    SequenceFold,
    StoredNode,
    TablePlan,
    TopNode,
)
from muster_core.lake.manifest import Pointer
from muster_core.rules.predicate import Node
from muster_core.rules.resolution import (
    AggregateFold,
    ColumnTest,
    Group,
    HeldRows,
    LatestFold,
    PeriodRows,
    Resolved,
    ResolvedFold,
    RowsTest,
    SampleTest,
    SegmentTest,
    SequenceRows,
    SidesTest,
    TopTest,
    Universe,
)
from muster_core.rules.scope import Scope, ScopeColumn

T = TypeVar("T", bound=Node)
#: The seed of every hash of the store.
_SEED = 42


class Interned(Generic[T]):
    """A list in which equal nodes stand once."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._places: dict[str, int] = {}

    def add(self, node: T) -> int:
        """Return the index of `node`, added if it is new."""
        place = self._places.setdefault(
            f"{type(node).__name__}{node.model_dump_json()}", len(self.items)
        )
        if place == len(self.items):
            self.items.append(node)
        return place


def gathered_column(column: ScopeColumn) -> Gathered:
    """Return how a column outside the rows or the profile is found."""
    return Gathered(
        lookups=tuple(
            Lookup(column=step.column, kind=step.kind, table=step.table, key=step.key)
            for step in column.steps
        ),
        start=column.start,
        column=column.column,
        kind=str(column.kind),
    )


@dataclass(slots=True, kw_only=True)
class TableCompiler:
    """Gathers what one pass over a table computes."""

    scope: Scope
    gathered: dict[str, Gathered] = field(default_factory=dict)
    rows: Interned[RowNode] = field(default_factory=Interned)
    folds: Interned[AnyFold] = field(default_factory=Interned)

    def plan(self) -> TablePlan:
        """Return the finished pass."""
        kind = self.scope.time_kind
        return TablePlan(
            time=self.scope.time,
            time_kind=None if kind is None else str(kind),
            row_key=self.scope.row_key,
            gathered=self.gathered,
            rows=tuple(self.rows.items),
            folds=tuple(self.folds.items),
        )

    def fold(self, found: ResolvedFold) -> int:
        """Return the place of a fold among those of this table."""
        match found:
            case AggregateFold():
                return self.folds.add(self._aggregate(found))
            case LatestFold():
                having = self._row(found.having)
                return self.folds.add(
                    LastRowFold(where=self._where(found.where), high=found.high, having=having)
                )
            case SequenceRows():
                steps = tuple(self._row(step) for step in found.steps)
                return self.folds.add(
                    SequenceFold(
                        steps=steps,
                        low=found.low,
                        high=found.high,
                        visible=found.visible,
                        seconds=found.seconds,
                        months=found.months,
                        zone=found.zone,
                    )
                )
            case PeriodRows():
                return self.folds.add(
                    PeriodsFold(
                        where=self._where(found.where),
                        edges=found.edges,
                        at_least=found.at_least,
                        predicate=found.predicate,
                    )
                )
            case HeldRows():
                return self.folds.add(self._held(found))

    def _aggregate(self, found: AggregateFold) -> Fold:
        column, order_by = found.column, found.order_by
        return Fold(
            where=self._where(found.where),
            low=found.low,
            high=found.high,
            function=found.function,
            column=None if column is None else self._column(column),
            kind=None if column is None else str(column.kind),
            order_by=None if order_by is None else self._column(order_by),
            order_kind=None if order_by is None else str(order_by.kind),
        )

    def _held(self, found: HeldRows) -> HeldFold:
        return HeldFold(
            field=self._column(found.field),
            field_kind=str(found.field.kind),
            name=found.name,
            value=self._column(found.value),
            value_kind=str(found.value.kind),
            predicate=found.predicate,
            visible=found.visible,
        )

    def _where(self, test: Resolved | None) -> int | None:
        return None if test is None else self._row(test)

    def _row(self, test: Resolved) -> int:
        if isinstance(test, Group):
            return self.rows.add(_group(test.join, [self._row(part) for part in test.of]))
        assert isinstance(test, ColumnTest)
        if test.other is not None:
            self._column(test.other)
        name = self._column(test.column)
        return self.rows.add(
            RowTest(column=name, kind=str(test.column.kind), predicate=test.predicate)
        )

    def _column(self, column: ScopeColumn) -> str:
        if column.outside:
            self.gathered.setdefault(column.name, gathered_column(column))
        return column.name


@dataclass(slots=True, kw_only=True)
class Compiler:
    """Gathers what a batch computes; conditions only refer to earlier ones."""

    #: Places of the batch's segments by name, and the versions of all others that are referred to.
    places: Mapping[str, int]
    stored: Mapping[str, Pointer]
    conditions: Interned[ConditionNode] = field(default_factory=Interned)
    ranks: Interned[Rank] = field(default_factory=Interned)
    gathered: dict[str, Gathered] = field(default_factory=dict)
    tables: dict[str, TableCompiler] = field(default_factory=dict)

    def condition(self, test: Resolved, nodes: dict[str, int]) -> int:
        """Return the place of a condition; `nodes` learns the places of it and its parts by pointer."""
        place = self.conditions.add(self._node(test, nodes))
        nodes[test.pointer] = place
        return place

    def missing(self, test: Resolved) -> Iterable[SegmentTest]:
        """Yield references to segments that are neither in the batch nor published."""
        if isinstance(test, Group):
            for part in test.of:
                yield from self.missing(part)
        elif isinstance(test, SegmentTest) and not {test.name} & (
            self.places.keys() | self.stored.keys()
        ):
            yield test

    def _node(self, test: Resolved, nodes: dict[str, int]) -> ConditionNode:
        match test:
            case Universe():
                return EveryoneNode()
            case Group():
                return _group(test.join, [self.condition(part, nodes) for part in test.of])
            case ColumnTest():
                return self._attribute(test)
            case RowsTest():
                found = self._operand(test.fold)
                return RowsNode(table=found.table, fold=found.fold, predicate=test.predicate)
            case SidesTest():
                return CompareNode(
                    left=self._operand(test.left),
                    relation=test.relation,
                    right=self._operand(test.right),
                    times=test.times,
                )
            case TopTest():
                return TopNode(rank=self.ranks.add(self._rank(test)))
            case SampleTest():
                salt = xxhash.xxh64_intdigest(test.salt.encode(), seed=_SEED)
                return SampleNode(salt=salt, below=test.below)
            case SegmentTest():
                if test.name in self.places:
                    return MemberNode(segment=self.places[test.name])
                return StoredNode(version=self.stored[test.name])

    def _attribute(self, test: ColumnTest) -> AttributeNode:
        for column in (test.column, test.other):
            if column is not None:
                self._gather(column)
        return AttributeNode(
            column=test.column.name, kind=str(test.column.kind), predicate=test.predicate
        )

    def _gather(self, column: ScopeColumn) -> None:
        if column.outside:
            self.gathered.setdefault(column.name, gathered_column(column))

    def _rank(self, test: TopTest) -> Rank:
        by: Operand | RankColumn
        if isinstance(test.by, ScopeColumn):
            self._gather(test.by)
            by = RankColumn(column=test.by.name, kind=str(test.by.kind))
        else:
            by = self._operand(test.by)
        return Rank(by=by, descending=test.descending, limit=test.limit, percent=test.percent)

    def _operand(self, fold: ResolvedFold) -> Operand:
        stored = fold.scope.stored
        table = self.tables.setdefault(stored, TableCompiler(scope=fold.scope))
        return Operand(table=stored, fold=table.fold(fold))


def _group(join: Literal["and", "or", "not"], of: list[int]) -> GroupNode:
    return GroupNode(node=join, of=tuple(sorted(set(of))))
