"""Which folds are computed in one look at related rows: as many as fit into a number of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from muster_core.kernel.extent import TableNeed
from muster_core.kernel.node import Operand
from muster_core.kernel.plan import Plan

Needs = Mapping[str, TableNeed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one look at related rows finds out: places of folds by table, and of what is decided from them."""

    folds: Mapping[str, tuple[int, ...]]
    decided: tuple[int, ...]
    #: Bytes it takes at most, where that was asked for.
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Something decided from folds, by its place in the plan.

    The numbers of `kept` folds are needed until all tables of the pass have been read.
    """

    place: int
    folds: tuple[Operand, ...]
    kept: bool = False


def make_passes(
    plan: Plan, needs: Needs, wanted: Iterable[Wanted], room: int | None
) -> tuple[Pass, ...]:
    """Return passes that decide all of `wanted`, each within `room` bytes; None: one pass.

    What may need more than `room` has a pass of its own.
    """
    passes: list[_Load] = []
    load = _Load(needs=needs)
    for one in sorted(wanted, key=_neighbours(plan)):
        if load.decided and room is not None and load.changed(one).most(needs) > room:
            passes.append(load)
            load = _Load(needs=needs)
        load.add(one)
    return tuple(made.finished() for made in [*passes, load] if made.decided)


def surely_needed(needs: Needs, one: Wanted) -> int:
    """Return the bytes something takes in a pass of its own, whatever its rows are like."""
    load = _Load(needs=needs)
    load.add(one)
    chunks = [needs[name].chunk(len(nodes)) for name, nodes in load.nodes.items()]
    folds = set(one.folds)
    return sum(needs[f.table].folds[f.fold].surely for f in folds) + max(chunks, default=0)


def _neighbours(plan: Plan) -> Callable[[Wanted], tuple[object, ...]]:
    """Return the order in which folds stand beside those whose columns and rows they share.

    Windows that differ in how far back they look follow one another: a pass adds their rows once.
    """

    def key(one: Wanted) -> tuple[object, ...]:
        first = one.folds[0]
        fold = plan.tables[first.table].folds[first.fold]
        where = getattr(fold, "where", None)
        column, function = getattr(fold, "column", None), getattr(fold, "function", fold.fold)
        same = (column or "", -1 if where is None else where, str(function))
        return (first.table, *same, first.fold, one.place)

    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bytes:
    """What a pass takes: of folds by table, of those kept to its end, for moments, and of row nodes."""

    plain: dict[str, int]
    kept: int
    moment: dict[str, int]
    nodes: dict[str, int]

    def most(self, needs: Needs) -> int:
        # one table is read after the other
        reading = [
            self.plain.get(name, 0) + moment + needs[name].chunk(self.nodes[name])
            for name, moment in self.moment.items()
        ]
        return self.kept + max(reading, default=0)


@dataclass(slots=True, kw_only=True)
class _Load:
    """A pass while conditions are added to it."""

    needs: Needs
    plain: dict[str, set[int]] = field(default_factory=dict)
    kept: dict[str, set[int]] = field(default_factory=dict)
    nodes: dict[str, set[int]] = field(default_factory=dict)
    decided: list[int] = field(default_factory=list)
    bytes: _Bytes = field(default_factory=lambda: _Bytes(plain={}, kept=0, moment={}, nodes={}))

    def changed(self, one: Wanted) -> _Bytes:
        """Return what the pass takes with `one` added."""
        plain, kept, moment = dict(self.bytes.plain), self.bytes.kept, dict(self.bytes.moment)
        nodes = dict(self.bytes.nodes)
        for table, fold in {(f.table, f.fold) for f in one.folds}:
            need = self.needs[table].folds[fold]
            is_plain, is_kept = (fold in s.get(table, ()) for s in (self.plain, self.kept))
            if one.kept and not is_kept:
                kept += need.kept
                plain[table] = plain.get(table, 0) - (need.kept if is_plain else 0)
            elif not (is_plain or is_kept):
                plain[table] = plain.get(table, 0) + need.kept
            moment[table] = max(moment.get(table, 0), need.moment)
            # two folds of a comparison may share nodes: counted twice they err upwards
            fresh = self.needs[table].nodes(fold) - self.nodes.get(table, set())
            nodes[table] = nodes.get(table, 0) + len(fresh)
        return _Bytes(plain=plain, kept=kept, moment=moment, nodes=nodes)

    def add(self, one: Wanted) -> None:
        """Let the pass decide `one`, too."""
        self.bytes = self.changed(one)
        for fold in one.folds:
            plain, kept = (s.setdefault(fold.table, set()) for s in (self.plain, self.kept))
            if one.kept:
                plain.discard(fold.fold)
                kept.add(fold.fold)
            elif fold.fold not in kept:
                plain.add(fold.fold)
            nodes = self.needs[fold.table].nodes(fold.fold)
            self.nodes.setdefault(fold.table, set()).update(nodes)
        self.decided.append(one.place)

    def finished(self) -> Pass:
        """Return the pass."""
        return Pass(
            folds={name: tuple(sorted(self.plain[name] | self.kept[name])) for name in self.plain},
            decided=tuple(sorted(self.decided)),
            most=self.bytes.most(self.needs),
        )
