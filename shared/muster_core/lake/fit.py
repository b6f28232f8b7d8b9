"""Checks of a catalog document that need only names and types: columns, keys, times, relationships."""

from __future__ import annotations

import re
from collections.abc import Iterable

from muster_core.catalog.document import (
    NAME_PATTERN,
    CatalogDocument,
    Relationship,
    Source,
    Table,
    TableDocument,
)
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.errors import Problem
from muster_core.lake.key import has_key_text
from muster_core.lake.source import Layout, too_large_hint
from muster_core.schedules.zone import read_zone
from muster_core.spelling import nearest_names

_KEY_HINT = "A key is text, integer, date, or decimal with at most 6 decimals."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint with the names most like `name`, None where nothing is like it."""
    close = nearest_names(name, known)
    return f"Did you mean {' or '.join(close)}?" if close else None


def check_zone(zone: str, pointer: str, file: str | None) -> list[Problem]:
    """Return a problem where `zone` is no time zone that schedules and rules take, too."""
    try:
        read_zone(zone)
    except ValueError as exc:
        return [Problem(message=str(exc), pointer=pointer, file=file)]
    return []


def check_table(
    name: str,
    document: TableDocument,
    source: Source,
    layout: Layout,
    *,
    pointer: str,
    file: str | None,
    key: str | None,
    joins: Iterable[str],
    problems: list[Problem],
    warnings: list[Problem],
) -> Table:
    """Return the table with its column types; what does not fit goes to `problems` and `warnings`.

    `joins` are the columns its relationships use: they are taken even where `only` does not name them.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        problems.append(Problem(message=f"{name} is no table name", pointer=pointer, file=file))
    problems += check_zone(document.timezone, f"{pointer}/timezone", file)
    needed = _named_columns(document, pointer, key)
    for column, place in needed:
        problems += _check_column(column, place, layout, file)
    for column, place in [(key, f"{pointer}/key")] if key else []:
        kind = layout.columns.get(column)
        if kind is not None and not has_key_text(kind):
            problems.append(_wrong_type(column, kind, "a key", _KEY_HINT, place, file))
    if document.time and (kind := layout.columns.get(document.time)) and not kind.is_time:
        hint = "A time is a date or a timestamp."
        place = f"{pointer}/time"
        problems.append(_wrong_type(document.time, kind, "a time", hint, place, file))
    for number, column in enumerate(document.row_key):
        kind = layout.columns.get(column)
        if kind is not None and kind.kind is Kind.ARRAY:
            place = f"{pointer}/row_key/{number}"
            hint = "Rows are ordered by single values."
            problems.append(_wrong_type(column, kind, "part of a row key", hint, place, file))
    chosen = (
        dict.fromkeys([*document.only, *joins, *(c for c, _ in needed)]) if document.only else None
    )
    for column, arrow in layout.left_out.items():
        if (chosen is None or column in chosen) and column not in (c for c, _ in needed):
            text = f"column {column} of {name} is left out: its type {arrow} is not supported"
            warnings.append(Problem(message=text, pointer=pointer, file=file))
    for column, path in layout.too_large.items():
        if chosen is None or column in chosen:
            text = f"column {column} of {name} has unsigned numbers above 64 bits with a sign, in {path}"
            hint = too_large_hint(column)
            problems.append(Problem(message=text, pointer=pointer, file=file, hint=hint))
    return Table(
        name=name,
        source=source,
        columns={
            c: str(k)
            for c, k in layout.columns.items()
            if k is not None and (chosen is None or c in chosen)
        },
        row_key=document.row_key,
        time=document.time,
        timezone=document.timezone,
        personal=sorted(c for c, note in document.columns.items() if note.personal),
        closed=bool(document.only),
    )


def _named_columns(document: TableDocument, pointer: str, key: str | None) -> list[tuple[str, str]]:
    named = [(key, f"{pointer}/key")] if key else []
    named += [(document.time, f"{pointer}/time")] if document.time else []
    named += [(c, f"{pointer}/row_key/{i}") for i, c in enumerate(document.row_key)]
    named += [(c, f"{pointer}/only/{i}") for i, c in enumerate(document.only)]
    return named + [(c, f"{pointer}/columns/{c}") for c in document.columns]


def _check_column(column: str, place: str, layout: Layout, file: str | None) -> list[Problem]:
    if layout.columns.get(column) is not None:
        return []
    if column in layout.left_out:
        message = f"column {column} has the type {layout.left_out[column]}, which is not supported"
        return [Problem(message=message, pointer=place, file=file)]
    return [
        Problem(
            message=f"the source has no column {column}",
            pointer=place,
            file=file,
            hint=nearest(column, layout.columns),
        )
    ]


def _wrong_type(
    column: str, kind: ColumnType, use: str, hint: str, place: str, file: str | None
) -> Problem:
    message = f"column {column} of type {kind} cannot be {use}"
    return Problem(message=message, pointer=place, file=file, hint=hint)


def check_relationships(
    document: CatalogDocument, tables: dict[str, Table], file: str | None
) -> list[Problem]:
    """Return what is wrong with the relationships: names, columns, key types, targets."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for number, relationship in enumerate(document.relationships):
        place = f"/relationships/{number}"
        if relationship.name in seen:
            text = f"{relationship.name} is the name of two relationships"
            problems.append(Problem(message=text, pointer=f"{place}/name", file=file))
        seen.add(relationship.name)
        ends = [
            _check_end(relationship.child, f"{place}/from", tables, file, problems),
            _check_end(relationship.parent, f"{place}/to", tables, file, problems),
        ]
        problems += _check_match(relationship, ends, document, place, file)
    return problems


def _check_end(
    end: tuple[str, str],
    place: str,
    tables: dict[str, Table],
    file: str | None,
    problems: list[Problem],
) -> ColumnType | None:
    name, column = end
    table = tables.get(name)
    if table is None:
        hint = nearest(name, tables)
        text = f"there is no table {name}"
        problems.append(Problem(message=text, pointer=place, file=file, hint=hint))
        return None
    if column not in table.columns:
        hint = nearest(column, table.columns)
        text = f"table {name} has no column {column}"
        problems.append(Problem(message=text, pointer=place, file=file, hint=hint))
        return None
    kind = parse_type(table.columns[column])
    if not has_key_text(kind):
        problems.append(_wrong_type(column, kind, "a key", _KEY_HINT, place, file))
        return None
    return kind


def _check_match(
    relationship: Relationship,
    ends: list[ColumnType | None],
    document: CatalogDocument,
    place: str,
    file: str | None,
) -> list[Problem]:
    child, parent = ends
    if child is None or parent is None:
        return []
    profile, key = document.profile.table, document.profile.key
    if relationship.parent[0] == profile and relationship.parent[1] != key:
        text = f"a relationship to {profile} must refer to its key"
        return [Problem(message=text, pointer=f"{place}/to", file=file, hint=f"{profile}.{key}")]
    if relationship.child[0] == relationship.parent[0]:
        text = "a table cannot refer to itself yet"
        return [Problem(message=text, pointer=place, file=file)]
    if (child.kind, child.scale) != (parent.kind, parent.scale):
        text = f"{relationship.from_} is {child}, but {relationship.to} is {parent}"
        hint = "Give both sides of a relationship one type."
        return [Problem(message=text, pointer=place, file=file, hint=hint)]
    return []
