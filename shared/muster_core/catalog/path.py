"""Ways from a related table to the profile, along many-to-one and one-to-one relationships.

A table with one way is prepared under its own name; with several, once per way, each under a name that
tells the relationships (`prepared_name`).
"""

from __future__ import annotations

from collections.abc import Sequence

from muster_core.catalog.document import Catalog, Relationship, Table

MAX_HOPS = 20

#: More ways than this are a mistake in the catalog: each is prepared on its own, or has to be told apart.
MAX_WAYS = 1_000


class PathError(ValueError):
    """No way, or several, lead from a table to the profile; `choices` lists the ways by relationship names."""

    def __init__(self, message: str, choices: Sequence[tuple[str, ...]] = ()) -> None:
        super().__init__(message)
        self.choices = tuple(choices)


Path = tuple[Relationship, ...]


def paths_to_profile(catalog: Catalog, table: str) -> list[Path]:
    """Return every way from `table` to the profile that visits no table twice, shortest first.

    Raises:
        PathError: there are more than anybody could tell apart.
    """
    found: list[Path] = []
    open_ways: list[Path] = [()]
    while open_ways:
        way = open_ways.pop(0)
        here = way[-1].parent[0] if way else table
        visited = {table, *(step.parent[0] for step in way)}
        for relationship in catalog.relationships:
            target = relationship.parent[0]
            if relationship.child[0] != here or target in visited:
                continue
            longer = (*way, relationship)
            if target == catalog.profile.name:
                found.append(longer)
            elif len(longer) < MAX_HOPS:
                open_ways.append(longer)
        refuse_many(len(found) + len(open_ways), table)
    return found


def refuse_many(count: int, table: str) -> None:
    """Refuse a catalog in which too many ways start at `table`.

    Raises:
        PathError: they do.
    """
    if count > MAX_WAYS:
        raise PathError(f"over {MAX_WAYS:,} ways of relationships lead on from {table}")


def is_one_to_one(path: Path) -> bool:
    """Whether a table that reaches the profile by `path` has at most one row for each customer."""
    return all(step.kind == "one_to_one" for step in path)


def path_to_profile(catalog: Catalog, table: str, via: Sequence[str] | None = None) -> Path:
    """Return the way from `table` to the profile, chosen by relationship names where several exist.

    Raises:
        PathError: no way exists, or several do and `via` does not name one of them.
    """
    ways = paths_to_profile(catalog, table)
    if not ways:
        raise PathError(f"no relationship leads from {table} to {catalog.profile.name}")
    names = [tuple(step.name for step in way) for way in ways]
    if via:
        if tuple(via) in names:
            return ways[names.index(tuple(via))]
        raise PathError(
            f"{' > '.join(via)} is no way from {table} to {catalog.profile.name}", names
        )
    if len(ways) > 1:
        raise PathError(f"several ways lead from {table} to {catalog.profile.name}", names)
    return ways[0]


def prepared_name(catalog: Catalog, table: str, path: Path) -> str:
    """Return the name under which `table`, reached by `path`, stands in the store."""
    if len(paths_to_profile(catalog, table)) == 1:
        return table
    return f"{table}@{'/'.join(step.name for step in path)}"


def tables_along(catalog: Catalog, path: Path) -> list[Table]:
    """Return the tables between the path's first table and the profile, nearest first."""
    between = (catalog.table(step.parent[0]) for step in path[:-1])
    return [table for table in between if table is not None]


def prepared_columns(catalog: Catalog, table: str, path: Path) -> dict[str, str]:
    """Return name and type of every column the prepared table has: its own, then ``parent.column``."""
    own = catalog.table(table)
    columns = dict(own.columns) if own else {}
    for parent in tables_along(catalog, path):
        columns |= {f"{parent.name}.{name}": kind for name, kind in parent.columns.items()}
    return columns


def personal_columns(catalog: Catalog, table: str, path: Path) -> frozenset[str]:
    """Return which of the prepared table's columns are marked personal."""
    own = catalog.table(table)
    found = set(own.personal) if own else set()
    for parent in tables_along(catalog, path):
        found |= {f"{parent.name}.{name}" for name in parent.personal}
    return frozenset(found)
