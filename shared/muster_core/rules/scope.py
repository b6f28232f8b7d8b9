"""Which columns a condition may name, where each is found, and the nearest ones when it names another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.path import (
    Path,
    PathError,
    path_to_profile,
    paths_to_profile,
    prepared_columns,
    prepared_name,
)
from muster_core.catalog.reference import (
    Reference,
    Step,
    matching,
    profile_references,
    references,
)
from muster_core.catalog.type import ColumnType, parse_type
from muster_core.rules.misfit import Misfit
from muster_core.spelling import nearest_names


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeColumn:
    """A column a condition names: stored with the rows, or found outside them.

    Outside, `steps` lead from a column of the row or, with `start` "profile", of its customer's profile to
    `column` of a dimension; without steps it is the profile's own.
    """

    #: One name whatever the spelling.
    name: str
    kind: ColumnType
    column: str
    outside: bool = False
    start: Literal["row", "profile"] = "row"
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The columns of one place: the profile, or the rows of a prepared table."""

    place: str
    #: Name under which the rows stand in the store; the profile's own name for the profile.
    stored: str
    columns: Mapping[str, ColumnType]
    time: str | None = None
    row_key: tuple[str, ...] = ()
    #: Dimensions of the rows; of the profile too, where the rows lead there.
    reached: tuple[tuple[Literal["row", "profile"], Reference], ...] = ()
    #: For rows: the profile and its columns.
    profile: str | None = None
    profile_columns: Mapping[str, ColumnType] = field(default_factory=dict)
    #: Names of the last relationships to the tables on the way, and what stands before their columns.
    ways: Mapping[str, str] = field(default_factory=dict)
    #: For the profile: the related tables that have a column, by its name.
    elsewhere: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def time_kind(self) -> ColumnType | None:
        """Return the type of the time column, if there is one."""
        return None if self.time is None else self.columns[self.time]

    def find(self, name: str, pointer: str = "/column") -> ScopeColumn:
        """Return the column of this name.

        Raises:
            Misfit: there is none here, or several; the nearest names are the hint.
        """
        if name in self.columns:
            return self._stored(name)
        prefix, dot, column = name.partition(".")
        if not dot:
            raise self._unknown(name, name, pointer, self.columns)
        if prefix == self.profile:
            return self._of_profile(prefix, column, name, pointer)
        found = matching([reference for _, reference in self.reached], prefix)
        if prefix in self.ways and not any(prefix in reference.names for reference in found):
            way = self.ways[prefix]
            if way == self.profile:
                return self._of_profile(prefix, column, name, pointer)
            if f"{way}.{column}" in self.columns:
                return self._stored(f"{way}.{column}")
        if not found:
            raise self._unknown(name, name, pointer, self._everything())
        return self._referred(found, prefix, column, pointer)

    def _stored(self, name: str) -> ScopeColumn:
        return ScopeColumn(name=name, kind=self.columns[name], column=name)

    def _of_profile(self, prefix: str, column: str, name: str, pointer: str) -> ScopeColumn:
        if column not in self.profile_columns:
            hint = nearest(column, self.profile_columns)
            raise Misfit(f"{prefix} has no column {column[:100]!r}", pointer, hint)
        return ScopeColumn(
            name=f"{self.profile}.{column}",
            kind=self.profile_columns[column],
            column=column,
            outside=True,
            start="profile",
        )

    def _referred(
        self, found: Sequence[Reference], prefix: str, column: str, pointer: str
    ) -> ScopeColumn:
        if len(found) > 1 or prefix not in found[0].names:
            raise _unclear(self.place, found, prefix, column, pointer)
        reference = found[0]
        if column not in reference.columns:
            message = f"{reference.table} has no column {column[:100]!r}"
            raise Misfit(message, pointer, nearest(column, reference.columns))
        start = next(start for start, known in self.reached if known is reference)
        return ScopeColumn(
            name=f"{reference.names[0]}.{column}",
            kind=parse_type(reference.columns[column]),
            column=column,
            outside=True,
            start=start,
            steps=reference.steps,
        )

    def _everything(self) -> list[str]:
        names = list(self.columns)
        for _, reference in self.reached:
            names += [f"{way}.{column}" for way in reference.names for column in reference.columns]
        if self.profile:
            names += [f"{self.profile}.{column}" for column in self.profile_columns]
        return names

    def _unknown(self, name: str, wanted: str, pointer: str, known: Iterable[str]) -> Misfit:
        hint = nearest(wanted, known)
        if owners := self.elsewhere.get(name):
            hint = f"{' and '.join(owners)} has it: {ask_rows(owners[0], name)}"
        return Misfit(f"{self.place} has no column {name[:100]!r}", pointer, hint)


def ask_rows(table: str, column: str) -> str:
    """Return how a column of a related table is asked for."""
    column = column[:100]
    return (
        f"ask exists({table} where {column} ...), or an aggregate such as max({column} of {table})"
    )


def _unclear(
    place: str, found: Sequence[Reference], prefix: str, column: str, pointer: str
) -> Misfit:
    names = sorted({name for reference in found for name in reference.names})
    chains = sorted(" > ".join(step.name for step in reference.chain) for reference in found)
    if names:
        hint = f"say {' or '.join(f'{name}.{column[:100]}' for name in names)}"
        return Misfit(f"several relationships lead from {place} to {prefix}", pointer, hint)
    message = f"several ways share the relationship {prefix}, so its columns cannot be named here"
    return Misfit(message, pointer, f"the ways are {' and '.join(chains)}")


class Scopes:
    """Every place of a catalog, each made once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._tables: dict[tuple[str, tuple[str, ...]], Scope] = {}

    @cached_property
    def profile(self) -> Scope:
        """Return the columns of the profile and of its dimensions."""
        profile = self.catalog.profile
        return Scope(
            place=profile.name,
            stored=profile.name,
            columns=_types(profile.columns),
            reached=tuple(("profile", r) for r in profile_references(self.catalog)),
            elsewhere=self._owners,
        )

    @cached_property
    def _owners(self) -> dict[str, list[str]]:
        """Return the related tables that have a column, by its name."""
        owners: dict[str, list[str]] = {}
        for name, table in sorted(self.catalog.tables.items()):
            if paths_to_profile(self.catalog, name):
                for column in table.columns:
                    owners.setdefault(column, []).append(name)
        return owners

    def table(self, table: str, via: tuple[str, ...] = ()) -> Scope:
        """Return the columns of a related table's rows, reached by `via` where several ways exist.

        Raises:
            Misfit: there is no such related table, or no single way to the profile.
        """
        known = self._tables.get((table, via))
        if known is None:
            known = self._tables[table, via] = self._make(table, via)
        return known

    def _make(self, name: str, via: tuple[str, ...]) -> Scope:
        table = self._named(name)
        path = self._path(name, via)
        types = _types(prepared_columns(self.catalog, name, path))
        if table.time is not None and not types[table.time].is_time:
            raise Misfit(
                f"the time column {table.time} of {name} is no date or timestamp", "/table"
            )
        own = [("row", r) for r in references(self.catalog, name, path)]
        return Scope(
            place=name,
            stored=prepared_name(self.catalog, name, path),
            columns=types,
            time=table.time,
            row_key=tuple(table.row_key),
            reached=tuple(own + [("profile", r) for r in self._of_profile(own)]),  # type: ignore[arg-type]
            profile=self.catalog.profile.name,
            profile_columns=self.profile.columns,
            ways={step.name: step.parent[0] for step in path},
        )

    def _of_profile(self, own: Sequence[tuple[str, Reference]]) -> list[Reference]:
        """Return the profile's dimensions under the names that those of the rows leave free."""
        taken = {name for _, reference in own for name in (reference.table, *reference.names)}
        return [
            replace(reference, names=free)
            for _, reference in self.profile.reached
            if (free := tuple(name for name in reference.names if name not in taken))
        ]

    def _named(self, name: str) -> Table:
        known = self.catalog.tables.get(name)
        if known is not None:
            return known
        if name == self.catalog.profile.name:
            raise Misfit(f"{name} is the profile", "/table", "use a condition of kind attribute")
        first, dot, column = name.partition(".")
        table = self.catalog.tables.get(first)
        if dot and table is not None and column in table.columns:
            hint = f"say the column of the table: sum({column} of {first})"
            raise Misfit(f"{name[:100]} is a column, not a table", "/table", hint)
        message, hint = f"there is no table {name[:100]!r}", nearest(name, self.catalog.tables)
        if owners := self._owners.get(name):
            hint = f"{owners[0]} has such a column: say sum({name} of {owners[0]})"
        raise Misfit(message, "/table", hint)

    def _path(self, name: str, via: tuple[str, ...]) -> Path:
        try:
            return path_to_profile(self.catalog, name, via or None)
        except PathError as exc:
            choices = " or ".join("[" + ", ".join(way) + "]" for way in exc.choices)
            hint = f"say via: {choices}" if choices else None
            raise Misfit(str(exc), "/via" if via else "/table", hint) from None

    def one_to_one(self, table: str) -> bool:
        """Whether some way from `table` to the profile has at most one row for a customer."""
        if table not in self.catalog.tables:
            return False
        ways = paths_to_profile(self.catalog, table)
        return any(all(step.kind == "one_to_one" for step in way) for way in ways)

    def single(self, table: str, via: tuple[str, ...]) -> Scope:
        """Return the rows of a table that has at most one for each customer.

        Raises:
            Misfit: there is no such table or way, or the way may lead to several rows.
        """
        scope = self.table(table, via)
        path = path_to_profile(self.catalog, table, via or None)
        if any(step.kind != "one_to_one" for step in path):
            hint = "ask for rows with a condition of kind rows"
            raise Misfit(f"a customer may have several rows in {table}", "/column", hint)
        return scope


def _types(columns: Mapping[str, str]) -> dict[str, ColumnType]:
    return {name: parse_type(text) for name, text in columns.items()}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant, or everything when little is known."""
    names = sorted(known)
    close = nearest_names(name, names)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
    return f"there are: {shown}" if names else "there are none"
