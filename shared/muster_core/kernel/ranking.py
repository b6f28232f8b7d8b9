"""What the job that ranks customers needs of a plan: the ranks, and the folds and columns they are by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from muster_core.kernel.node import (
    AnyFold,
    Fold,
    Gathered,
    GroupNode,
    Operand,
    Rank,
    RankColumn,
    RowNode,
    TablePlan,
)
from muster_core.kernel.reach import rows_needed
from muster_core.rules.predicate import SameRow

Tables = Mapping[str, TablePlan]
Columns = Mapping[str, Gathered]


def ranking_tables(
    tables: Tables, ranks: Sequence[Rank], gathered: Columns
) -> tuple[dict[str, TablePlan], tuple[Rank, ...], dict[str, Gathered]]:
    """Return the tables with nothing but what `ranks` need, the ranks by their new places, and columns."""
    wanted: dict[str, list[int]] = {}
    for rank in ranks:
        if isinstance(rank.by, Operand) and rank.by.fold not in wanted.setdefault(
            rank.by.table, []
        ):
            wanted[rank.by.table].append(rank.by.fold)
    moved = tuple(
        rank.model_copy(
            update={
                "by": Operand(table=rank.by.table, fold=wanted[rank.by.table].index(rank.by.fold))
            }
        )
        if isinstance(rank.by, Operand)
        else rank
        for rank in ranks
    )
    named = {rank.by.column for rank in ranks if isinstance(rank.by, RankColumn)}
    return (
        {name: _narrowed(tables[name], folds) for name, folds in wanted.items()},
        moved,
        {name: found for name, found in gathered.items() if name in named},
    )


def _narrowed(table: TablePlan, places: Sequence[int]) -> TablePlan:
    folds = [table.folds[place] for place in places]
    # old places of row nodes, rising, with their new ones
    kept = {old: new for new, old in enumerate(sorted(rows_needed(table.rows, folds)))}
    rows = [_renumbered(table.rows[old], kept) for old in kept]
    moved = [_with_where(fold, kept) for fold in folds]
    names = _columns(rows, moved)
    return table.model_copy(
        update={
            "rows": tuple(rows),
            "folds": tuple(moved),
            "gathered": {n: found for n, found in table.gathered.items() if n in names},
        }
    )


def _renumbered(node: RowNode, places: Mapping[int, int]) -> RowNode:
    if not isinstance(node, GroupNode):
        return node
    return GroupNode(node=node.node, of=tuple(places[place] for place in node.of))


def _with_where(fold: AnyFold, places: Mapping[int, int]) -> Fold:
    assert isinstance(fold, Fold)
    where = None if fold.where is None else places[fold.where]
    return fold.model_copy(update={"where": where})


def _columns(rows: Sequence[RowNode], folds: Sequence[Fold]) -> set[str]:
    names: set[str] = set()
    for node in rows:
        if not isinstance(node, GroupNode):
            names.add(node.column)
            if isinstance(node.predicate, SameRow):
                names.add(node.predicate.other)
    for fold in folds:
        names |= {name for name in (fold.column, fold.order_by) if name is not None}
    return names
