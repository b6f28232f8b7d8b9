"""Dimensions: tables that rows or profiles refer to, found by looking keys up instead of joining.

A chain of relationships leads from a column of the row, or of the profile, to the key of another table, and
on from there. Tables on the way from the row to the profile are no dimensions: their columns are in the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from muster_core.catalog.document import Catalog, Relationship
from muster_core.catalog.path import MAX_HOPS, Path, paths_to_profile, refuse_many, tables_along


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One lookup: to the row of `table` whose `key` is the value of `column`.

    The first step's `column` is one of the prepared row's (``product_id``, ``orders.store_id``), or of the
    profile; every other one is a column of the table stepped into before. `kind` is its type.
    """

    column: str
    kind: str
    table: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A dimension as it is reached by one chain of relationships."""

    chain: Path
    steps: tuple[Step, ...]
    #: Type by column name of the dimension.
    columns: Mapping[str, str]
    #: What may stand before the dot in ``name.column``, the preferred one first; none: not nameable.
    names: tuple[str, ...]

    @property
    def table(self) -> str:
        """Return the dimension's table name."""
        return self.steps[-1].table

    @property
    def relationship(self) -> str:
        """Return the name of the last relationship."""
        return self.chain[-1].name


def references(catalog: Catalog, table: str, path: Path) -> list[Reference]:
    """Return the dimensions of the rows of `table` reached by `path`, shortest chains first.

    A table several chains lead to is named by its last relationship only; one whose last relationship is
    shared by several chains has no name at all (`names` is empty).

    Raises:
        PathError: there are more chains than anybody could tell apart.
    """
    along = [parent.name for parent in tables_along(catalog, path)]
    closed = {table, *along, catalog.profile.name}
    starts = {table: "", **{name: f"{name}." for name in along}}
    return _named(catalog, _chains(catalog, starts, closed), closed)


def profile_references(catalog: Catalog) -> list[Reference]:
    """Return the dimensions of the profile, shortest chains first."""
    name = catalog.profile.name
    return _named(catalog, _chains(catalog, {name: ""}, {name}), {name})


def matching(found: Iterable[Reference], name: str) -> list[Reference]:
    """Return the references that `name`, a table or relationship, could mean; one means it is clear."""
    found = list(found)
    exact = [reference for reference in found if name in reference.names]
    return exact or [r for r in found if name in (r.table, r.relationship)]


def dimension_keys(catalog: Catalog) -> dict[str, list[str]]:
    """Return the tables some rule may look rows up in, each with the columns that are referred to."""
    every = profile_references(catalog)
    for name in catalog.tables:
        for path in paths_to_profile(catalog, name):
            every += references(catalog, name, path)
    keys: dict[str, set[str]] = {}
    for reference in every:
        for step in reference.steps:
            keys.setdefault(step.table, set()).add(step.key)
    return {name: sorted(keys[name]) for name in sorted(keys)}


def _chains(
    catalog: Catalog, starts: Mapping[str, str], closed: set[str]
) -> list[tuple[str, Path]]:
    """Return (prefix of the first column, chain) of every chain that visits no table twice."""
    leaving: dict[str, list[Relationship]] = {}
    for relationship in catalog.relationships:
        leaving.setdefault(relationship.child[0], []).append(relationship)
    found: list[tuple[str, Path]] = []
    waiting: list[tuple[str, Path, str]] = [(prefix, (), name) for name, prefix in starts.items()]
    while waiting:
        longer: list[tuple[str, Path, str]] = []
        for prefix, chain, here in waiting:
            visited = closed | {step.parent[0] for step in chain}
            for relationship in leaving.get(here, ()):
                target = relationship.parent[0]
                if target not in visited:
                    longer.append((prefix, (*chain, relationship), target))
        found += [(prefix, chain) for prefix, chain, _ in longer]
        refuse_many(len(found), next(iter(starts)))
        waiting = [entry for entry in longer if len(entry[1]) < MAX_HOPS]
    return found


def _named(
    catalog: Catalog, chains: Sequence[tuple[str, Path]], taken: set[str]
) -> list[Reference]:
    tables = Counter(chain[-1].parent[0] for _, chain in chains)
    last = Counter(chain[-1].name for _, chain in chains)
    plain = {name for name, count in tables.items() if count == 1}
    references = []
    for prefix, chain in chains:
        target, relationship = chain[-1].parent[0], chain[-1].name
        names = [target] if target in plain else []
        # a relationship that is called like a table would make two readings of one name
        clashes = relationship in taken or (relationship in plain and relationship != target)
        if last[relationship] == 1 and not clashes and relationship not in names:
            names.append(relationship)
        known = catalog.table(target)
        references.append(
            Reference(
                chain=chain,
                steps=_steps(catalog, prefix, chain),
                columns=known.columns if known else {},
                names=tuple(names),
            )
        )
    return references


def _steps(catalog: Catalog, prefix: str, chain: Path) -> tuple[Step, ...]:
    steps = []
    for relationship in chain:
        (child, column), (parent, key) = relationship.child, relationship.parent
        known = catalog.table(child)
        kind = known.columns[column] if known else ""
        steps.append(Step(column=f"{prefix}{column}", kind=kind, table=parent, key=key))
        prefix = ""
    return tuple(steps)
