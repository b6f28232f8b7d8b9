"""The plan of a batch: segments compiled so that every distinct condition and aggregate stands once.

A plan is self-contained JSON: names are stored columns, times are numbers, literals are converted. A task
needs it and a partition, nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Generic, Literal, TypeVar

from pydantic import ValidationError

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import parse_type
from muster_core.errors import InvalidInput, Problem, StoreDamaged
from muster_core.kernel.node import (
    AttributeNode,
    ConditionNode,
    EveryoneNode,
    Fold,
    Gathered,
    GroupNode,
    KeysNode,
    Rank,
    RowNode,
    RowsNode,
    RowTest,
    RulePlan,
    SegmentPlan,
    TablePlan,
    Threshold,
)
from muster_core.lake.manifest import Pointer
from muster_core.rules.check import check_segment
from muster_core.rules.document import SegmentDocument
from muster_core.rules.literal import Frame
from muster_core.rules.manual import manual_key
from muster_core.rules.predicate import Node, WholeRanges
from muster_core.rules.resolve import ColumnTest, Group, Resolved, Resolver, RowsTest, Universe
from muster_core.schedules.zone import read_zone

T = TypeVar("T", bound=Node)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSegment:
    """One segment of a batch: its rules and where its members before this run are."""

    segment_id: int
    document: SegmentDocument
    previous: Pointer | None


class Plan(Node):
    """A compiled batch; conditions only refer to earlier ones."""

    format: Literal["muster.plan"] = "muster.plan"
    version: Literal[1] = 1
    as_of: datetime
    key: str
    tables: dict[str, TablePlan]
    #: Columns of dimensions that conditions on the profile name, found along lookups.
    gathered: dict[str, Gathered] = {}
    conditions: tuple[ConditionNode, ...]
    ranks: tuple[Rank, ...] = ()
    #: One for each rank; empty in the plan of the job that finds them.
    thresholds: tuple[Threshold, ...] = ()
    segments: tuple[SegmentPlan, ...]

    @property
    def words(self) -> int:
        """Return how many 64-bit words a customer needs."""
        return (len(self.segments) + 63) // 64

    @property
    def bits(self) -> dict[int, int]:
        """Return the bit of each segment by its id."""
        return {segment.segment_id: segment.bit for segment in self.segments}

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """Return the canonical JSON: equal plans, equal bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> Plan:
        """Read a plan as `to_json` wrote it.

        Raises:
            StoreDamaged: `data` is no plan of this format.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            message = f"A plan cannot be read: {exc.error_count()} problems."
            raise StoreDamaged(message) from None


def compile_plan(segments: Sequence[PlannedSegment], catalog: Catalog, as_of: datetime) -> Plan:
    """Compile a batch; bits follow the order of `segments`.

    Raises:
        InvalidInput: a document does not fit the catalog or uses what is not evaluated yet.
    """
    builder = _Builder(catalog=catalog, as_of=as_of.astimezone(UTC))
    planned = [builder.segment(bit, segment) for bit, segment in enumerate(segments)]
    if builder.problems:
        raise InvalidInput(builder.problems)
    return Plan(
        as_of=builder.as_of,
        key=catalog.key,
        tables={name: table.plan() for name, table in builder.tables.items()},
        conditions=tuple(builder.conditions.items),
        segments=tuple(planned),
    )


class _Interned(Generic[T]):
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


@dataclass(slots=True, kw_only=True)
class _TableBuilder:
    time: str | None
    time_kind: str | None
    rows: _Interned[RowNode] = field(default_factory=_Interned)
    folds: _Interned[Fold] = field(default_factory=_Interned)

    def row(self, test: Resolved) -> int:
        if isinstance(test, Group):
            return self.rows.add(_group_node(test.join, [self.row(part) for part in test.of]))
        assert isinstance(test, ColumnTest)
        return self.rows.add(
            RowTest(column=test.column, kind=str(test.kind), predicate=test.predicate)
        )

    def plan(self) -> TablePlan:
        return TablePlan(
            time=self.time,
            time_kind=self.time_kind,
            rows=tuple(self.rows.items),
            folds=tuple(self.folds.items),
        )


@dataclass(slots=True, kw_only=True)
class _Builder:
    catalog: Catalog
    as_of: datetime
    problems: list[Problem] = field(default_factory=list)
    conditions: _Interned[ConditionNode] = field(default_factory=_Interned)
    tables: dict[str, _TableBuilder] = field(default_factory=dict)

    def segment(self, bit: int, segment: PlannedSegment) -> SegmentPlan:
        document = segment.document
        found = check_segment(document, self.catalog)
        rules, nodes = ([], {}) if found else self._rules(document, found)
        self.problems += [
            Problem(message=f"segment {document.name}: {p.message}", pointer=p.pointer, hint=p.hint)
            for p in found
        ]
        return SegmentPlan(
            segment_id=segment.segment_id,
            bit=bit,
            rules=tuple(rules),
            add=None if found else self._keys(document.manual.add),
            remove=None if found else self._keys(document.manual.remove),
            nodes=nodes,
            previous=segment.previous,
        )

    def _rules(
        self, document: SegmentDocument, problems: list[Problem]
    ) -> tuple[list[RulePlan], dict[str, int]]:
        zone = read_zone(document.timezone or self.catalog.timezone)
        resolver = Resolver(catalog=self.catalog, frame=Frame(as_of=self.as_of, zone=zone))
        rules: list[RulePlan] = []
        nodes: dict[str, int] = {}
        for index, rule in enumerate(document.rules):
            resolved = resolver.condition(rule.where, f"/rules/{index}/where")
            if resolved is not None:
                condition = self._condition(resolved, nodes)
                nodes[f"/rules/{index}"] = condition
                rules.append(RulePlan(combine=rule.combine, condition=condition))
        problems += resolver.problems
        return rules, nodes

    def _condition(self, test: Resolved, nodes: dict[str, int]) -> int:
        node: ConditionNode
        match test:
            case Universe():
                node = EveryoneNode()
            case Group():
                node = _group_node(test.join, [self._condition(part, nodes) for part in test.of])
            case ColumnTest():
                node = AttributeNode(
                    column=test.column, kind=str(test.kind), predicate=test.predicate
                )
            case RowsTest():
                node = self._rows(test)
        place = self.conditions.add(node)
        nodes[test.pointer] = place
        return place

    def _rows(self, test: RowsTest) -> RowsNode:
        kind = str(test.time_kind) if test.time_kind else None
        table = self.tables.setdefault(test.table, _TableBuilder(time=test.time, time_kind=kind))
        exists = test.function == "exists"
        fold = Fold(
            where=None if test.where is None else table.row(test.where),
            low=test.low,
            high=test.high,
            # Existence is a count of at least one, so both share one aggregate.
            function="count" if exists else test.function,
            column=test.column,
            kind=str(test.kind) if test.kind else None,
        )
        predicate = WholeRanges(ranges=((1, None),)) if exists else test.predicate
        assert predicate is not None
        return RowsNode(table=test.table, fold=table.folds.add(fold), predicate=predicate)

    def _keys(self, ids: Sequence[str | int]) -> int | None:
        if not ids:
            return None
        kind = parse_type(self.catalog.profile.columns[self.catalog.key])
        texts = {manual_key(key, kind) for key in ids}
        return self.conditions.add(KeysNode(keys=tuple(sorted(texts))))


def _group_node(join: Literal["and", "or", "not"], of: list[int]) -> GroupNode:
    return GroupNode(node=join, of=tuple(sorted(set(of))))
