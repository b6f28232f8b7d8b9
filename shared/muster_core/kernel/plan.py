"""The plan of a batch: segments compiled so that every distinct condition and aggregate stands once.

A plan is self-contained JSON: names are stored columns, times are numbers, literals are converted. A task
needs it and a partition, nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from pydantic import Field, ValidationError

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import parse_type
from muster_core.errors import InvalidInput, Problem, StoreDamaged
from muster_core.kernel.compile import Compiler
from muster_core.kernel.node import (
    ConditionNode,
    Gathered,
    KeysNode,
    Rank,
    RulePlan,
    SegmentPlan,
    TablePlan,
    Threshold,
)
from muster_core.kernel.ranking import ranking_tables
from muster_core.lake.manifest import Pointer
from muster_core.rules.check import Known, check_segment
from muster_core.rules.document import SegmentDocument
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.literal import Frame
from muster_core.rules.manual import manual_key
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.predicate import Node
from muster_core.rules.reference import cycle_of, references_of
from muster_core.rules.resolve import Resolver
from muster_core.rules.scope import Scopes
from muster_core.schedules.zone import read_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSegment:
    """One segment of a batch: its rules and where its members before this run are."""

    segment_id: int
    document: SegmentDocument
    previous: Pointer | None


class Plan(Node):
    """A compiled batch; conditions only refer to earlier ones."""

    format: Literal["muster.plan"] = "muster.plan"
    version: Literal[2] = 2
    as_of: datetime
    key: str
    tables: dict[str, TablePlan]
    #: Columns of dimensions that conditions on the profile name, found along lookups.
    gathered: dict[str, Gathered] = Field(default_factory=dict)
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

    def rank_plan(self) -> Plan:
        """Return the plan of the job that finds the thresholds: the ranks and what they need, nothing else."""
        tables, ranks, gathered = ranking_tables(self.tables, self.ranks, self.gathered)
        return Plan(
            as_of=self.as_of,
            key=self.key,
            tables=tables,
            gathered=gathered,
            conditions=(),
            ranks=ranks,
            segments=(),
        )

    def with_thresholds(self, thresholds: Sequence[Threshold]) -> Plan:
        """Return the plan with what the ranking job found, one for each rank."""
        if len(thresholds) != len(self.ranks):
            raise ValueError(f"{len(thresholds)} thresholds for {len(self.ranks)} ranks")
        return self.model_copy(update={"thresholds": tuple(thresholds)})

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


def compile_plan(
    segments: Sequence[PlannedSegment],
    catalog: Catalog,
    as_of: datetime,
    *,
    stored: Mapping[str, Pointer] | None = None,
    measures: Mapping[str, MeasureDocument] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Plan:
    """Compile a batch; bits follow the order of `segments`.

    A reference means the segment of this name in the batch, else its version in `stored`; `measures` are
    evaluated where they are used.

    Raises:
        InvalidInput: a document does not fit the catalog, refers to what is neither in the batch nor stored,
            or documents of the batch refer to each other in a circle.
    """
    batch = _Batch(
        segments=segments,
        scopes=Scopes(catalog),
        as_of=as_of.astimezone(UTC),
        measures=measures or {},
        limits=limits,
        compiler=Compiler(
            places={s.document.name: place for place, s in enumerate(segments)},
            stored=stored or {},
        ),
    )
    planned = batch.compile()
    if batch.problems:
        raise InvalidInput(batch.problems)
    compiler = batch.compiler
    return Plan(
        as_of=batch.as_of,
        key=catalog.key,
        tables={name: table.plan() for name, table in compiler.tables.items()},
        gathered=compiler.gathered,
        conditions=tuple(compiler.conditions.items),
        ranks=tuple(compiler.ranks.items),
        segments=planned,
    )


@dataclass(slots=True, kw_only=True)
class _Batch:
    segments: Sequence[PlannedSegment]
    scopes: Scopes
    as_of: datetime
    measures: Mapping[str, MeasureDocument]
    limits: Limits
    compiler: Compiler
    problems: list[Problem] = field(default_factory=list)

    def compile(self) -> tuple[SegmentPlan, ...]:
        """Compile every segment, those referred to before those that refer to them."""
        order = self._order()
        planned = {place: self._segment(place, self.segments[place]) for place in order}
        return tuple(planned[place] for place in sorted(planned))

    def _order(self) -> list[int]:
        places = self.compiler.places
        wanted = {s.document.name: references_of(s.document) for s in self.segments}
        circle = cycle_of(wanted)
        if circle:
            message = f"segments refer to each other in a circle: {' -> '.join(circle)}"
            self.problems.append(Problem(message=message))
            return []
        order: dict[int, None] = {}
        waiting = list(reversed(range(len(self.segments))))
        while waiting:
            place = waiting.pop()
            before = [
                places[name]
                for name in wanted[self.segments[place].document.name]
                if name in places and places[name] not in order
            ]
            if place in order:
                continue
            if before:
                waiting += [place, *before]
            else:
                order[place] = None
        return list(order)

    def _segment(self, place: int, segment: PlannedSegment) -> SegmentPlan:
        document = segment.document
        known = Known(segments=None, measures=self.measures)
        found = check_segment(document, self.scopes, limits=self.limits, known=known)
        rules, nodes = ([], {}) if found else self._rules(document, found)
        self.problems += [
            replace(problem, message=f"segment {document.name}: {problem.message}")
            for problem in found
        ]
        return SegmentPlan(
            segment_id=segment.segment_id,
            bit=place,
            rules=tuple(rules),
            add=None if found else self._keys(document.manual.add),
            remove=None if found else self._keys(document.manual.remove),
            nodes=nodes,
            previous=segment.previous,
        )

    def _rules(
        self, document: SegmentDocument, problems: list[Problem]
    ) -> tuple[list[RulePlan], dict[str, int]]:
        zone = read_zone(document.timezone or self.scopes.catalog.timezone)
        frame = Frame(as_of=self.as_of, zone=zone, limits=self.limits)
        resolver = Resolver(scopes=self.scopes, frame=frame, measures=self.measures)
        rules: list[RulePlan] = []
        nodes: dict[str, int] = {}
        for index, rule in enumerate(document.rules):
            resolved = resolver.condition(rule.where, f"/rules/{index}/where")
            if resolved is None:
                continue
            missing = list(self.compiler.missing(resolved))
            problems += [
                Problem(
                    message=f"the segment {test.name} has no published version",
                    pointer=f"{test.pointer}/name",
                )
                for test in missing
            ]
            if not missing:
                condition = self.compiler.condition(resolved, nodes)
                nodes[f"/rules/{index}"] = condition
                rules.append(RulePlan(combine=rule.combine, condition=condition))
        problems += resolver.problems
        return rules, nodes

    def _keys(self, ids: Sequence[str | int]) -> int | None:
        if not ids:
            return None
        catalog = self.scopes.catalog
        kind = parse_type(catalog.profile.columns[catalog.key])
        texts = {manual_key(key, kind) for key in ids}
        return self.compiler.conditions.add(KeysNode(keys=tuple(sorted(texts))))
