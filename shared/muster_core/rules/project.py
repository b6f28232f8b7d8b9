"""Extra output columns: which column each one is, and that their names do not clash."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from muster_core.catalog.type import ColumnType
from muster_core.rules.document import ProjectColumn
from muster_core.rules.misfit import Misfit
from muster_core.rules.resolution import Resolved
from muster_core.rules.row import RowResolver
from muster_core.rules.scope import Scope, ScopeColumn, Scopes

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """One output column: of the profile, or (with `rows`) the values of visible rows that pass `where`.

    Several values become a list, newest first. `high` bounds the time of visible rows, in its own terms.
    """

    name: str
    column: ScopeColumn
    rows: Scope | None = None
    where: Resolved | None = None
    high: int | None = None

    @property
    def kind(self) -> ColumnType:
        """Return the type of one value."""
        return self.column.kind


def resolve_project(
    columns: Sequence[ProjectColumn], scopes: Scopes, rows: RowResolver
) -> list[Projected]:
    """Return every output column that fits; what does not is noted in `rows`."""
    found: list[Projected] = []
    taken: set[str] = {scopes.catalog.key}
    for index, node in enumerate(columns):
        pointer = f"/project/{index}"
        with rows.notes.noting(pointer):
            projected = _resolved(node, scopes, rows, pointer)
            if projected is None:
                continue
            _check_name(node, projected, scopes, taken)
            taken.add(projected.name)
            found.append(projected)
    return found


def _resolved(
    node: ProjectColumn, scopes: Scopes, rows: RowResolver, pointer: str
) -> Projected | None:
    if node.table is None:
        for name, given in (("via", node.via), ("where", node.where)):
            if given:
                raise Misfit(f"{name} belongs to a column of a related table", f"/{name}")
        try:
            column = scopes.profile.find(node.column)
        except Misfit as exc:
            table, dot, name = node.column.partition(".")
            if not dot or table not in scopes.catalog.tables:
                raise
            hint = f"say {{table: {table}, column: {name[:100]}, as: ...}}"
            raise Misfit(str(exc), exc.pointer, hint) from None
        if node.as_ is None and column.outside:
            raise Misfit("name the output column", "/as", "columns of other tables need as")
        return Projected(name=node.as_ or node.column, column=column)
    before = len(rows.notes.problems)
    scope = scopes.table(node.table, node.via)
    where = None
    if node.where is not None:
        where = rows.condition(node.where, scope, f"{pointer}/where", 1)
    column = scope.find(node.column)
    if node.as_ is None:
        raise Misfit("name the output column", "/as", "columns of related tables need as")
    if len(rows.notes.problems) > before:
        return None
    high = None if scope.time is None else rows.latest(scope)
    return Projected(name=node.as_, column=column, rows=scope, where=where, high=high)


def _check_name(node: ProjectColumn, projected: Projected, scopes: Scopes, taken: set[str]) -> None:
    pointer = "/as" if node.as_ is not None else "/column"
    if node.as_ is not None and not _NAME.fullmatch(node.as_):
        hint = "up to 63 letters, digits and _, the first no digit"
        raise Misfit("this is no name of an output column", pointer, hint)
    if projected.name == scopes.catalog.key:
        raise Misfit(f"{projected.name} is the customer key, which is always put out", pointer)
    if projected.name in taken:
        raise Misfit(f"the output has a column {projected.name[:100]} already", pointer)
    same = projected.rows is None and projected.column.name == projected.name
    if projected.name in scopes.profile.columns and not same:
        raise Misfit(f"{projected.name} is another column of the profile", pointer)
