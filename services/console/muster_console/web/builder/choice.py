"""What can be chosen at a place of a definition: tables, ways, columns, comparisons, functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from muster_console.web.builder.tree import Plain, at, found
from muster_core.catalog.document import Catalog
from muster_core.catalog.path import PathError, paths_to_profile
from muster_core.catalog.type import ColumnType, Kind
from muster_core.rules.aggregate import result_type
from muster_core.rules.comparison import COMPARISONS, INTEGER
from muster_core.rules.condition import Aggregate
from muster_core.rules.expression.complete import columns_of
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.misfit import Misfit
from muster_core.rules.scope import Scope, Scopes

#: Functions of an aggregate that take no column.
WITHOUT_COLUMN = ("count", "exists")
#: Functions that take the value of one row, and so an order of rows.
CHOOSING = ("first", "last")
#: What two columns of one row can be asked.
BETWEEN_COLUMNS = ("eq", "ne", "gt", "gte", "lt", "lte")

#: Characters of the name of an output column.
_LONGEST_OUTPUT = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChoice:
    """A table with rows of customers, and the ways that lead from it to them, shortest first."""

    name: str
    ways: tuple[tuple[str, ...], ...]
    time: str | None
    columns: int


class Choices:
    """What a catalog, the measures and the segments offer; made once per open builder."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        measures: dict[str, MeasureDocument] | None = None,
        segments: Iterable[str] = (),
    ) -> None:
        self.catalog = catalog
        self.scopes = Scopes(catalog)
        self.measures = measures or {}
        self.segments = sorted(segments)
        self._columns: dict[tuple[str, tuple[str, ...]] | None, dict[str, ColumnType]] = {}

    @cached_property
    def tables(self) -> list[TableChoice]:
        """Return every table with rows of customers, by name."""
        choices = []
        for name, table in sorted(self.catalog.tables.items()):
            ways = tuple(tuple(s.name for s in way) for way in _ways(self.catalog, name))
            if ways:
                choices.append(
                    TableChoice(name=name, ways=ways, time=table.time, columns=len(table.columns))
                )
        return choices

    def table(self, name: str) -> TableChoice | None:
        """Return a table by name, None where there is none."""
        return next((table for table in self.tables if table.name == name), None)

    def scope(self, table: str, via: Iterable[str] = ()) -> Scope | None:
        """Return what the rows of a table have; with several ways and none chosen, by the shortest."""
        known = self.table(table)
        if known is None:
            return None
        way = tuple(via)
        if way not in known.ways:
            way = known.ways[0]
        try:
            return self.scopes.table(table, way if len(known.ways) > 1 else ())
        except Misfit:
            return None

    def columns(self, table: str | None = None, via: Iterable[str] = ()) -> dict[str, ColumnType]:
        """Return the columns that can be named with their types: of customers, or of a table's rows."""
        key = None if table is None else (table, tuple(via))
        if key not in self._columns:
            scope = self.scopes.profile if table is None else self.scope(table, via)
            self._columns[key] = {} if scope is None else columns_of(self.scopes, scope)
        return self._columns[key]

    def outputs(self, table: str = "", via: Iterable[str] = ()) -> dict[str, ColumnType]:
        """Return the columns that may be carried to the members: of customers, or of a table's rows."""
        if table:
            return self.columns(table, via)
        key, scope = self.catalog.key, self.scopes.profile
        return {n: kind for n, kind in self.columns().items() if n != key and _has(scope, n)}

    def output_name(self, table: str, column: str) -> str | None:
        """Return the name a carried column starts with, None where its own will do."""
        if not table and "." not in column:
            return None
        words = f"{table}_{column}" if table and "." not in column else column
        plain = re.sub(r"[^A-Za-z0-9_]", "_", words)[:_LONGEST_OUTPUT]
        return plain if plain[:1].isalpha() else f"c_{plain}"[:_LONGEST_OUTPUT]

    @property
    def key_type(self) -> ColumnType:
        """Return the type of the customers' key."""
        return self.columns()[self.catalog.key]

    def columns_at(self, document: Plain, owner: str | None) -> dict[str, ColumnType]:
        """Return the columns that can be named in conditions of an owner, see `node.owner_of`."""
        if owner is None:
            return self.columns()
        rows = at(document, owner) if found(document, owner) else {}
        return self.columns(rows.get("table", ""), rows.get("via", ()))

    def origin(self, table: str, via: Iterable[str], column: str) -> tuple[str, str]:
        """Return the table and the column in it that a name means: of customers where `table` is empty."""
        profile = self.catalog.profile.name
        scope = self.scope(table, via) if table else self.scopes.profile
        prefix, _, rest = column.partition(".")
        if scope is self.scopes.profile and rest and self.scopes.one_to_one(prefix):
            return prefix, rest
        if scope is None:
            return table, column
        try:
            known = scope.find(column)
        except Misfit:
            return table or profile, column
        if known.steps:
            return known.steps[-1].table, known.column
        return (profile if known.outside or not table else table), known.column

    def result(self, rows: dict[str, Any]) -> ColumnType | None:
        """Return the type an aggregate yields, None while it does not fit its column."""
        scope = self.scope(rows.get("table", ""), rows.get("via", ()))
        if scope is None:
            return None
        try:
            return result_type(Aggregate.model_validate(rows["aggregate"]), scope)
        except (Misfit, ValidationError):
            return None

    def measured(self, name: str) -> ColumnType | None:
        """Return the type of a measure's value, None where there is no such measure."""
        known = self.measures.get(name)
        if known is None:
            return None
        return self.result(known.by.model_dump(by_alias=True, exclude_defaults=True))

    def ways(self, column: str) -> tuple[tuple[str, ...], ...]:
        """Return the one-to-one ways of a column of the profile that names a table, where there are several."""
        prefix, dot, _ = column.partition(".")
        if not dot or not self.scopes.one_to_one(prefix):
            return ()
        single = [w for w in _ways(self.catalog, prefix) if all(s.kind == "one_to_one" for s in w)]
        names = tuple(tuple(step.name for step in way) for way in single)
        return names if len(_ways(self.catalog, prefix)) > 1 else ()


def _has(scope: Scope, column: str) -> bool:
    try:
        scope.find(column)
    except Misfit:
        return False
    return True


def comparisons(kind: ColumnType | None) -> tuple[str, ...]:
    """Return what values of a type can be asked; without a type, whether they are set."""
    return ("is_set", "is_not_set") if kind is None else COMPARISONS[kind.kind]


def functions(columns: dict[str, ColumnType], *, exists: bool) -> list[str]:
    """Return the functions an aggregate over these columns can have; `exists` where that needs no value."""
    kinds = list(columns.values())
    offered = [*(("exists",) if exists else ()), "count", "count_distinct"]
    if any(kind.is_number for kind in kinds):
        offered += ["sum", "avg"]
    if any(kind.is_number or kind.is_time for kind in kinds):
        offered += ["min", "max"]
    return [*offered, "first", "last"]


def fitting(columns: dict[str, ColumnType], function: str) -> dict[str, ColumnType]:
    """Return the columns a function takes."""
    match function:
        case "count" | "exists":
            return {}
        case "sum" | "avg":
            return {name: kind for name, kind in columns.items() if kind.is_number}
        case "min" | "max" | "order":
            return {n: kind for n, kind in columns.items() if kind.is_number or kind.is_time}
        case "count_distinct":
            return {n: kind for n, kind in columns.items() if kind.kind is not Kind.ARRAY}
    return columns


def comparable(columns: dict[str, ColumnType], name: str, compare: str) -> list[str]:
    """Return the columns that a column can be held against with a comparison."""
    kind = columns.get(name)
    if kind is None or compare not in BETWEEN_COLUMNS or kind.kind is Kind.ARRAY:
        return []
    ordered = kind.is_number or kind.is_time
    if compare not in ("eq", "ne") and not ordered:
        return []

    def fits(other: ColumnType) -> bool:
        if kind.is_number:
            return other.is_number
        return other.is_time if kind.is_time else other.kind is kind.kind

    return sorted(n for n, other in columns.items() if n != name and fits(other))


def counted() -> ColumnType:
    """Return the type of a number of rows."""
    return INTEGER


def _ways(catalog: Catalog, table: str) -> list[Any]:
    try:
        return list(paths_to_profile(catalog, table))
    except PathError:
        return []
