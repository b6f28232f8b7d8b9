"""Checking a catalog against its data: what is written becomes a `Catalog` with types, or every problem.

Footers are read first; key and reference columns are then streamed once, in eight bytes per key. PostgreSQL
tables are described by their server; their keys are checked when they are prepared.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from muster_core.catalog.document import Catalog, CatalogDocument, Source, Table, TableDocument
from muster_core.catalog.freshness import Freshness
from muster_core.catalog.path import PathError, paths_to_profile
from muster_core.catalog.reference import dimension_keys
from muster_core.errors import (
    DuplicateKeys,
    InvalidInput,
    NullKeys,
    Problem,
    SourceDenied,
    SourceMissing,
    SourceUnreadable,
    TerminalError,
)
from muster_core.extract.address import resolve_address
from muster_core.extract.description import describe
from muster_core.extract.session import reading
from muster_core.lake.address import is_remote, scheme_of
from muster_core.lake.coverage import KeyReport, ReferenceReport, Survey
from muster_core.lake.fit import check_relationships, check_table, check_zone
from muster_core.lake.history import check_histories, check_ways, written_histories
from muster_core.lake.manifest import SourceFile
from muster_core.lake.origin import whole_address
from muster_core.lake.source import Layout, list_source, read_layout

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """What was found in one table: `nulls` by column, `coverage` (0 to 1) by relationship."""

    name: str
    files: int
    rows: int
    nulls: dict[str, int] = field(default_factory=dict)
    coverage: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A catalog that fits its data, what was found, and what deserves a look."""

    catalog: Catalog
    tables: list[TableReport]
    warnings: list[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One table's files and layout."""

    table: Table
    files: list[SourceFile]
    layout: Layout


def resolve_catalog(
    document: CatalogDocument,
    *,
    base: Path,
    file: str | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Check a catalog document against its data; relative source paths are taken from `base`.

    Raises:
        InvalidInput: names, types or relationships do not fit; all problems at once.
        SourceMissing: a single source does not exist or holds no Parquet file.
        SourceUnreadable: a single source is not readable.
        SourceDenied: the server of a single source refuses the login, or the table.
        SourceUnavailable: a source's server does not answer.
        DuplicateKeys: a key column repeats keys; only their number is told.
        NullKeys: profile rows have no key.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    found = _find_tables(document, base, file, problems, warnings)
    problems += check_zone(document.timezone, "/timezone", file)
    tables = {name: f.table for name, f in found.items()}
    if not problems:
        problems += check_relationships(document, tables, file)
        problems += check_histories(document, tables, file)
        problems += _age_problems(document, file)
    if problems:
        raise InvalidInput(problems)
    profile = tables.pop(document.profile.table)
    catalog = Catalog(
        timezone=document.timezone,
        profile=profile,
        key=document.profile.key,
        tables=tables,
        relationships=document.relationships,
        histories=written_histories(document),
        contracts=_contracts(document),
    )
    warnings += _check_reach(catalog, file)
    reports = _survey(catalog, found, file, warnings, progress or (lambda *_: None))
    return Inspection(catalog=catalog, tables=reports, warnings=warnings)


def _contracts(document: CatalogDocument) -> dict[str, Freshness]:
    written = {document.profile.table: document.profile, **document.tables}
    return {name: table.freshness for name, table in written.items() if table.freshness}


def _age_problems(document: CatalogDocument, file: str | None) -> list[Problem]:
    """Refuse a maximal age where nothing tells how old the table is: only local files have a time."""
    written: list[tuple[str, TableDocument]] = [("/profile", document.profile)]
    written += [(f"/tables/{name}", table) for name, table in document.tables.items()]
    return [
        Problem(
            message="max_age needs a time column: the source does not tell when it was written",
            pointer=f"{pointer}/freshness/max_age",
            file=file,
            hint="name the table's time column, or promise min_rows only",
        )
        for pointer, table in written
        if table.freshness is not None
        and table.freshness.max_age is not None
        and (table.time is None or table is document.profile)
        and (table.source.parquet is None or is_remote(table.source.parquet))
    ]


def _find_tables(
    document: CatalogDocument,
    base: Path,
    file: str | None,
    problems: list[Problem],
    warnings: list[Problem],
) -> dict[str, Found]:
    found: dict[str, Found] = {}
    written: list[tuple[str, str, TableDocument]] = [
        (document.profile.table, "/profile", document.profile)
    ]
    written += [(name, f"/tables/{name}", table) for name, table in document.tables.items()]
    failures: list[TerminalError] = []
    for name, pointer, table in written:
        place = f"{pointer}/source/{'postgres' if table.source.postgres else 'parquet'}"
        try:
            source = _absolute(table.source, base)
        except TerminalError as exc:  # it is in the document, not at the source
            problems.append(_problem(exc, place, file))
            continue
        try:
            files, layout = _look(name, source)
        except (SourceMissing, SourceUnreadable, SourceDenied) as exc:
            failures.append(exc)
            problems.append(_problem(exc, place, file))
            continue
        resolved = check_table(
            name,
            table,
            source,
            layout,
            pointer=pointer,
            file=file,
            key=document.profile.key if table is document.profile else None,
            joins=_join_columns(document, name),
            problems=problems,
            warnings=warnings,
        )
        found[name] = Found(table=resolved, files=files, layout=layout)
    if len(problems) == 1 and failures:
        # The only problem keeps its own class: a script can tell a missing file from a wrong catalog.
        raise type(failures[0])(f"{problems[0]}", hint=None) from failures[0]
    return found


def _problem(exc: TerminalError, pointer: str, file: str | None) -> Problem:
    return Problem(message=exc.message, pointer=pointer, file=file, hint=exc.hint)


def _absolute(source: Source, base: Path) -> Source:
    if source.parquet is None:
        return source
    return Source(parquet=whole_address(source.parquet, base))


def look_at_source(source: Source) -> Layout:
    """Return what a source holds before anything names it: columns, rows, columns that cannot be used.

    Raises:
        InvalidInput: its path is relative, and there is no file it could start from.
        SourceMissing, SourceUnreadable, SourceDenied, SourceUnavailable: there is nothing to be read.
        TerminalError: its address cannot be read, or its connection is not known.
    """
    place = source.parquet
    if place is not None and scheme_of(place) is None and not Path(place).is_absolute():
        raise InvalidInput([Problem(message="the path is relative: write it from / on")])
    return _look("the source", _absolute(source, Path("/")))[1]


def _look(name: str, source: Source) -> tuple[list[SourceFile], Layout]:
    """Return the files and the layout of a source; a PostgreSQL table has no files yet."""
    if source.postgres is None:
        files = list_source(source)
        return files, read_layout(source, files)
    url = resolve_address(source.postgres.connection, os.environ)
    with reading(source.postgres, url, name) as session:
        found = describe(session)
    return [], Layout(
        columns={column: known.kind for column, known in found.columns.items()},
        left_out={column: why.type for column, why in found.left_out.items()},
        rows=found.relation.estimate if found.relation else 0,
        groups={},
    )


def _join_columns(document: CatalogDocument, table: str) -> list[str]:
    ends = [end for r in document.relationships for end in (r.child, r.parent)]
    for history in written_histories(document).values():
        ends += [(history.table, history.column), (history.table, history.value)]
    return [column for name, column in ends if name == table]


def _check_reach(catalog: Catalog, file: str | None) -> list[Problem]:
    """Return a warning for every table no rule reaches, after making sure that ways can be told."""
    try:
        problems, warnings = check_ways(catalog, file), _unreachable(catalog, file)
    except PathError as exc:
        problem = Problem(message=str(exc), pointer="/relationships", file=file)
        raise InvalidInput([problem]) from exc
    if problems:
        raise InvalidInput(problems)
    return warnings


def _unreachable(catalog: Catalog, file: str | None) -> list[Problem]:
    referred = dimension_keys(catalog)
    return [
        Problem(
            message=f"no relationship leads from {name} to {catalog.profile.name}, "
            "nor to it from a table that has such a way; "
            "the table is not prepared and no rule can use it",
            pointer=f"/tables/{name}",
            file=file,
        )
        for name in catalog.tables
        if name not in referred and not paths_to_profile(catalog, name)
    ]


def _survey(
    catalog: Catalog,
    found: dict[str, Found],
    file: str | None,
    warnings: list[Problem],
    progress: Progress,
) -> list[TableReport]:
    survey = Survey(catalog, {name: f.files for name, f in found.items()})
    names = list(found)
    keys: dict[str, list[KeyReport]] = {}
    for done, name in enumerate(names):
        progress(f"keys of {name}", done, 2 * len(names))
        keys[name] = survey.count_keys(name)
        for report in keys[name]:
            _refuse_bad_key(catalog, report, file)
    reports = []
    for done, name in enumerate(names):
        progress(f"references of {name}", len(names) + done, 2 * len(names))
        nulls, references = survey.check_references(name)
        warnings += [w for r in references for w in _coverage_warning(catalog, r, file)]
        reports.append(
            TableReport(
                name=name,
                files=len(found[name].files),
                rows=found[name].layout.rows,
                nulls=nulls | {r.column: r.nulls for r in keys[name] if r.nulls},
                coverage={r.relationship: r.coverage for r in references},
            )
        )
    progress("checked", 2 * len(names), 2 * len(names))
    return reports


def _refuse_bad_key(catalog: Catalog, report: KeyReport, file: str | None) -> None:
    is_profile = report.table == catalog.profile.name and report.column == catalog.key
    pointer = "/profile/key" if is_profile else f"/tables/{report.table}"
    place = f"{report.table}.{report.column}"
    if report.duplicates:
        problem = Problem(
            message=f"{report.duplicates:,} rows repeat a key of {place}; every key must be unique",
            pointer=pointer,
            file=file,
        )
        raise DuplicateKeys(str(problem), hint="Remove the repeated rows from the source.")
    if report.nulls and is_profile:
        problem = Problem(
            message=f"{report.nulls:,} of {report.rows:,} rows have no {place}",
            pointer=pointer,
            file=file,
        )
        raise NullKeys(
            str(problem), hint="Every customer needs a key; remove or complete the rows."
        )


def _coverage_warning(catalog: Catalog, report: ReferenceReport, file: str | None) -> list[Problem]:
    number = next(i for i, r in enumerate(catalog.relationships) if r.name == report.relationship)
    asked = catalog.relationships[number].coverage
    set_rows = report.rows - report.nulls
    if not set_rows or report.coverage >= asked:
        return []
    return [
        Problem(
            message=f"{report.coverage:.1%} of the referring rows find their target, "
            f"{asked:.1%} is expected ({set_rows - report.matched:,} rows do not)",
            pointer=f"/relationships/{number}/coverage",
            file=file,
        )
    ]
