"""Checks of the notes that say where past values of profile columns are."""

from __future__ import annotations

from muster_core.catalog.document import Catalog, CatalogDocument, History, Table
from muster_core.catalog.path import paths_to_profile
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.errors import Problem
from muster_core.lake.fit import nearest


def written_histories(document: CatalogDocument) -> dict[str, History]:
    """Return the notes of the profile's columns, by column."""
    notes = document.profile.columns.items()
    return {column: note.history for column, note in notes if note.history is not None}


def check_histories(
    document: CatalogDocument, tables: dict[str, Table], file: str | None
) -> list[Problem]:
    """Return what is wrong with the notes: where they stand, tables, columns and their types."""
    problems = [
        Problem(
            message="only a column of the profile has a history",
            pointer=f"/tables/{name}/columns/{column}/history",
            file=file,
        )
        for name, table in document.tables.items()
        for column, note in table.columns.items()
        if note.history is not None
    ]
    for column, history in written_histories(document).items():
        place = f"/profile/columns/{column}/history"
        table = tables.get(history.table) if history.table != document.profile.table else None
        if table is None:
            hint = nearest(history.table, document.tables)
            text = f"there is no related table {history.table}"
            problems.append(Problem(message=text, pointer=f"{place}/table", file=file, hint=hint))
            continue
        if table.time is None:
            text = f"table {table.name} declares no time, so it tells no history"
            hint = f"Say the time column of {table.name} with `time`."
            problems.append(Problem(message=text, pointer=f"{place}/table", file=file, hint=hint))
        problems += _check_column(table, history.column, f"{place}/column", file, names=True)
        problems += _check_column(table, history.value, f"{place}/value", file, names=False)
    return problems


def check_ways(catalog: Catalog, file: str | None) -> list[Problem]:
    """Return the notes whose table does not have exactly one way to the profile."""
    problems = []
    for column, history in catalog.histories.items():
        ways = paths_to_profile(catalog, history.table)
        if len(ways) == 1:
            continue
        found = "several ways lead" if ways else "no relationship leads"
        problems.append(
            Problem(
                message=f"{found} from {history.table} to {catalog.profile.name}; "
                "a history needs one",
                pointer=f"/profile/columns/{column}/history/table",
                file=file,
            )
        )
    return problems


def _check_column(
    table: Table, column: str, place: str, file: str | None, *, names: bool
) -> list[Problem]:
    """`names`: the column holds the names of profile columns, so it must be text."""
    if column not in table.columns:
        text = f"table {table.name} has no column {column}"
        return [
            Problem(message=text, pointer=place, file=file, hint=nearest(column, table.columns))
        ]
    kind = parse_type(table.columns[column])
    if names and kind.kind is not Kind.TEXT:
        return [_misfit(column, kind, "name profile columns", place, file)]
    if kind.kind is Kind.ARRAY:
        return [_misfit(column, kind, "hold a history's values", place, file)]
    return []


def _misfit(column: str, kind: ColumnType, use: str, place: str, file: str | None) -> Problem:
    text = f"column {column} of type {kind} cannot {use}"
    return Problem(message=text, pointer=place, file=file)
