"""Cutting a plan so that evaluating it on one partition stays within a number of bytes.

Segments are cut into splits whose sets of customers fit, and what a split needs of related rows into passes
whose accumulators fit; a pass reads the columns it needs once. Sharing is kept as far as it goes: a plan that
fits is one split with one pass, and a condition is decided again only where two splits need it. Dimensions are
no part of this: they stand in memory once a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from muster_core.errors import TaskMemoryExceeded
from muster_core.kernel.extent import Extent, TableNeed
from muster_core.kernel.node import (
    CompareNode,
    GroupNode,
    MemberNode,
    Operand,
    RowsNode,
    SegmentPlan,
    TopNode,
)
from muster_core.kernel.passes import Pass, Wanted, make_passes, surely_needed
from muster_core.kernel.plan import Plan

#: A Python process with NumPy, PyArrow and the engine's own modules.
PROCESS_BYTES = 192 << 20
#: What a condition or segment of a plan takes as an object, and a set of customers beside its bits.
_NODE_BYTES = 6_144
_SET_BYTES = 128
#: While an aggregate is compared, and while a column of the profile is looked at: bytes a customer.
_COMPARED_BYTES = 64
_PROFILE_BYTES = 96
#: Candidates of a rank: three words and the key, once more while they are sorted.
_CANDIDATE_BYTES = 160
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Segments that are decided together, by place, and all conditions they need, in the plan's order."""

    segments: tuple[int, ...]
    conditions: tuple[int, ...]
    passes: tuple[Pass, ...]


def cut(
    plan: Plan, extent: Extent, memory: int | None, names: Mapping[int, str] | None = None
) -> tuple[Split, ...]:
    """Return the splits of `plan`, those referred to before those that refer to them.

    Args:
        plan: what is evaluated.
        extent: the partition's size.
        memory: bytes one process may take; None: no bound, one split with one pass.
        names: segments by id, for the message.

    Raises:
        TaskMemoryExceeded: a segment surely needs more even alone.
    """
    # most plans fit, and finding that out has to cost next to nothing
    if memory is None or _most_uncut(plan, extent) <= memory:
        return (_uncut(plan),)
    return _Cutter(plan, extent).splits(memory, names or {})


def cut_ranks(plan: Plan, extent: Extent, memory: int | None) -> tuple[Pass, ...]:
    """Return the passes in which the ranks of a ranking job's plan are found, each by its place."""
    cutter = _Cutter(plan, extent)
    wanted = [
        Wanted(place=place, folds=(rank.by,))
        for place, rank in enumerate(plan.ranks)
        if isinstance(rank.by, Operand)
    ]
    room = None if memory is None else memory - cutter.base - _CANDIDATE_BYTES * extent.customers
    return make_passes(plan, cutter.needs, wanted, room)


def least_memory(plan: Plan, extent: Extent) -> int:
    """Return the bytes without which some segment of `plan` is refused."""
    cutter = _Cutter(plan, extent)
    return cutter.base + max(map(cutter.alone, range(len(plan.segments))), default=0)


def most_memory(plan: Plan, extent: Extent, memory: int | None = None) -> int:
    """Return the bytes a process takes at most while it evaluates `plan`, cut for `memory`."""
    uncut = _most_uncut(plan, extent)
    if memory is None or uncut <= memory:
        return uncut
    cutter = _Cutter(plan, extent)
    peaks = [
        cutter.sets(split.conditions, len(split.segments))
        + max((made.most for made in split.passes), default=0)
        for split in cutter.splits(memory, {})
    ]
    return cutter.base + max(peaks, default=0)


def _uncut(plan: Plan) -> Split:
    """Return everything as one split with one pass."""
    decided = [place for place in range(len(plan.conditions)) if _wanted(plan, place) is not None]
    folds = {name: tuple(range(len(table.folds))) for name, table in plan.tables.items()}
    made = Pass(folds=folds, decided=tuple(decided))
    return Split(
        segments=tuple(range(len(plan.segments))),
        conditions=tuple(range(len(plan.conditions))),
        passes=(made,) if decided else (),
    )


def _most_uncut(plan: Plan, extent: Extent) -> int:
    """Return the bytes a process takes at most while it evaluates all of `plan` at once."""
    kept = reading = 0
    for name, table in plan.tables.items():
        need = TableNeed(name, table, extent)
        kept += sum(fold.kept for fold in need.folds)
        moment = max((fold.moment for fold in need.folds), default=0)
        reading = max(reading, moment + need.chunk(len(table.rows)))
    sets = _set_bytes(extent) * (len(plan.conditions) + len(plan.segments))
    return _base(plan, extent) + sets + kept + reading


def _base(plan: Plan, extent: Extent) -> int:
    """Return what stands in memory whichever split is evaluated."""
    referred = {node.segment for node in plan.conditions if isinstance(node, MemberNode)}
    return (
        PROCESS_BYTES
        + _NODE_BYTES * (len(plan.conditions) + len(plan.segments))
        # one more word while they are written, and the members later splits refer to
        + 8 * (plan.words + 1) * extent.customers
        + _set_bytes(extent) * len(referred)
        + (_COMPARED_BYTES + _PROFILE_BYTES) * extent.customers
    )


def _set_bytes(extent: Extent) -> int:
    return extent.customers // 8 + _SET_BYTES


class _Cutter:
    def __init__(self, plan: Plan, extent: Extent) -> None:
        self._plan = plan
        self.needs = {name: TableNeed(name, table, extent) for name, table in plan.tables.items()}
        #: Of each segment, by its place.
        self._conditions = [conditions_of(plan, segment) for segment in plan.segments]
        self._set = _set_bytes(extent)
        self._wanted = {
            place: one
            for place in range(len(plan.conditions))
            if (one := _wanted(plan, place)) is not None
        }
        self._surely = {
            place: surely_needed(self.needs, one) for place, one in self._wanted.items()
        }
        self.base = _base(plan, extent)

    def splits(self, memory: int, names: Mapping[int, str]) -> tuple[Split, ...]:
        room = memory - self.base
        found: list[Split] = []
        segments: list[int] = []
        conditions: set[int] = set()
        deciding = 0
        for place in _in_order(self._plan, self._conditions):
            if self.alone(place) > room:
                segment, needed = self._plan.segments[place], self.base + self.alone(place)
                raise _refusal(segment, needed, memory, names)
            own = self._conditions[place]
            together, least = conditions | own, max(deciding, self._deciding(own))
            size = self.sets(together, len(segments) + 1)
            # sets of customers take half at most, so that accumulators have the other half
            if segments and (2 * size > room or size + least > room):
                found.append(self._split(segments, room))
                segments, together, least = [], own, self._deciding(own)
            segments.append(place)
            conditions, deciding = together, least
        return (*found, self._split(segments, room))

    def alone(self, place: int) -> int:
        """Return the bytes a segment surely needs beside the base."""
        own = self._conditions[place]
        return self.sets(own, 1) + self._deciding(own)

    def sets(self, conditions: Sequence[int] | set[int], segments: int) -> int:
        """Return the bytes of the sets of customers of a split."""
        return self._set * (len(conditions) + segments)

    def _deciding(self, conditions: Iterable[int]) -> int:
        return max((self._surely.get(place, 0) for place in conditions), default=0)

    def _split(self, segments: Sequence[int], room: int) -> Split:
        conditions = set().union(*(self._conditions[place] for place in segments))
        left = room - self.sets(conditions, len(segments))
        wanted = [self._wanted[place] for place in conditions if place in self._wanted]
        return Split(
            segments=tuple(segments),
            conditions=tuple(sorted(conditions)),
            passes=make_passes(self._plan, self.needs, wanted, left),
        )


def _wanted(plan: Plan, place: int) -> Wanted | None:
    """Return what a condition needs of related rows, None where that is nothing."""
    match plan.conditions[place]:
        case RowsNode() as node:
            return Wanted(place=place, folds=(Operand(table=node.table, fold=node.fold),))
        case CompareNode() as node:
            return Wanted(place=place, folds=(node.left, node.right), kept=True)
        case TopNode() as node if isinstance(by := plan.ranks[node.rank].by, Operand):
            return Wanted(place=place, folds=(by,), kept=True)
    return None


def conditions_of(plan: Plan, segment: SegmentPlan) -> set[int]:
    """Return every condition a segment needs, those of segments it refers to left out."""
    roots = [*(rule.condition for rule in segment.rules), segment.add, segment.remove]
    waiting = [place for place in roots if place is not None]
    found: set[int] = set()
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            node = plan.conditions[place]
            waiting += node.of if isinstance(node, GroupNode) else ()
    return found


def _in_order(plan: Plan, conditions: Sequence[set[int]]) -> Iterator[int]:
    """Yield the places of segments, those referred to first, else as they stand."""
    refers = [
        [n.segment for place in sorted(own) if isinstance(n := plan.conditions[place], MemberNode)]
        for own in conditions
    ]
    done: set[int] = set()
    for start in range(len(plan.segments)):
        waiting = [start]
        while waiting:
            place = waiting.pop()
            if place in done:
                continue
            if before := [other for other in refers[place] if other not in done]:
                waiting += [place, *before]
            else:
                done.add(place)
                yield place


def _refusal(
    segment: SegmentPlan, needed: int, memory: int, names: Mapping[int, str]
) -> TaskMemoryExceeded:
    name = names.get(segment.segment_id, str(segment.segment_id))
    return TaskMemoryExceeded(
        f"The segment {name} needs {-(-needed // _MIB):,} MiB in one task,"
        f" and MUSTER_TASK_MEMORY allows {memory // _MIB:,} MiB.",
        hint="Raise MUSTER_TASK_MEMORY, or prepare the data in more partitions (MUSTER_PARTITIONS).",
    )
