"""Which columns a condition may name, and the nearest ones when it names another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from muster_core.catalog.document import Catalog
from muster_core.catalog.path import (
    PathError,
    path_to_profile,
    prepared_columns,
    prepared_name,
)
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.rules.comparison import Misfit
from muster_core.spelling import nearest_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The columns of one place: the profile, or the rows of a prepared table with its parents' columns."""

    place: str
    #: Name under which the rows stand in the store; the profile's own name for the profile.
    stored: str
    columns: Mapping[str, ColumnType]
    time: str | None = None

    def find(self, column: str, pointer: str = "/column") -> ColumnType:
        """Return the type of a column.

        Raises:
            Misfit: there is none of this name here; the nearest names are the hint.
        """
        found = self.columns.get(column)
        if found is None:
            message = f"{self.place} has no column {column[:100]!r}"
            raise Misfit(message, pointer, nearest(column, self.columns))
        return found


def profile_scope(catalog: Catalog) -> Scope:
    """Return the columns of the profile."""
    profile = catalog.profile
    types = {name: parse_type(text) for name, text in profile.columns.items()}
    return Scope(place=profile.name, stored=profile.name, columns=types)


def table_scope(catalog: Catalog, table: str, via: tuple[str, ...]) -> Scope:
    """Return the columns of a related table's rows, reached by `via` where several ways exist.

    Raises:
        Misfit: there is no such related table, or no single way to the profile.
    """
    known = catalog.tables.get(table)
    if known is None:
        if table == catalog.profile.name:
            raise Misfit(f"{table} is the profile", "/table", "use a condition of kind attribute")
        message = f"there is no table {table[:100]!r}"
        raise Misfit(message, "/table", nearest(table, catalog.tables))
    try:
        path = path_to_profile(catalog, table, via or None)
    except PathError as exc:
        choices = " or ".join("[" + ", ".join(way) + "]" for way in exc.choices)
        hint = f"say via: {choices}" if choices else None
        raise Misfit(str(exc), "/via" if via else "/table", hint) from None
    types = {n: parse_type(t) for n, t in prepared_columns(catalog, table, path).items()}
    if known.time is not None and not types[known.time].is_time:
        raise Misfit(f"the time column {known.time} of {table} is no date or timestamp", "/table")
    return Scope(
        place=table, stored=prepared_name(catalog, table, path), columns=types, time=known.time
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant, or everything when little is known."""
    names = sorted(known)
    close = nearest_names(name, names)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
    return f"there are: {shown}" if names else "there are none"


INTEGER = ColumnType(kind=Kind.INTEGER)
