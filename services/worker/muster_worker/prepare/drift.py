"""Following Parquet sources whose columns change: what is added is taken up, what is missed is refused.

Footers of new files are read, before anything is prepared. A column that is gone and that nothing uses leaves
the catalog; one that somebody uses, or whose type changed, ends the preparation and names who uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.type import ColumnType, parse_type
from muster_core.errors import SourceUnreadable
from muster_core.lake.conversion import wider_type
from muster_core.lake.manifest import SnapshotManifest, SourceFile
from muster_core.lake.source import Layout, folder_types, read_layout
from muster_core.storage.usage import Users, with_table
from muster_worker.prepare.number import identity

#: Users named in an error; the others are counted.
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a table's columns changed."""

    added: dict[str, str]
    #: Columns no file has any more, and those the newest files lack: so it looks when a writer drops one.
    gone: list[str]
    ended: list[str]
    #: Column by name, and what it is now; None: a type the catalog does not know.
    changed: dict[str, ColumnType | None]


def follow_sources(
    catalog: Catalog,
    listing: dict[str, list[SourceFile]],
    before: SnapshotManifest | None,
    users: Users,
) -> Catalog:
    """Return `catalog` with the columns its Parquet sources have now; itself where they are the same.

    Raises:
        SourceUnreadable: a column that is used has gone, or a column has another type.
    """
    followed = catalog
    for name, files in listing.items():
        table = catalog.table(name)
        if table is None or table.source.parquet is None:
            continue
        known = _known_files(before, name)
        # what was prepared by another entry of the catalog is checked as a whole
        same = before is not None and before.catalog.table(name) == table
        drift = find_drift(table, files, known if same else [])
        _refuse(catalog, table, drift, users)
        if drift.added or drift.gone:
            columns = {c: kind for c, kind in table.columns.items() if c not in drift.gone}
            update = {"columns": columns | drift.added}
            followed = with_table(followed, table.model_copy(update=update))
    return followed


def find_drift(table: Table, files: Sequence[SourceFile], known: Sequence[SourceFile]) -> Drift:
    """Return how the columns of `files` differ from the table's; those in `known` were found to fit."""
    seen = {identity(file) for file in known}
    fresh = [file for file in files if identity(file) not in seen]
    if not fresh and len(files) == len(known):
        return Drift(added={}, gone=[], ended=[], changed={})
    found = _layout(table, fresh, files)
    changed = {
        name: found.columns[name]
        for name, text in table.columns.items()
        if name in found.columns and not _holds(parse_type(text), found.columns[name])
    }
    missing = [name for name in table.columns if name not in found.columns]
    added = {} if table.closed else _added(table, found)
    gone, ended = ([], []) if changed else _missed(table, missing, fresh, files, known)
    return Drift(added=added, gone=gone, ended=ended, changed=changed)


def _layout(table: Table, fresh: Sequence[SourceFile], files: Sequence[SourceFile]) -> Layout:
    """Return the layout of `fresh`, with the types of folder columns that all folders together have."""
    found = read_layout(table.source, fresh)
    few, all_of_them = folder_types(table.source, fresh), folder_types(table.source, files)
    whole = {name: all_of_them[name] for name, kind in few.items() if found.columns[name] == kind}
    return replace(found, columns={**found.columns, **whole})


def _holds(kind: ColumnType, found: ColumnType | None) -> bool:
    return found is not None and wider_type(kind, found) == kind


def _added(table: Table, found: Layout) -> dict[str, str]:
    return {
        name: str(kind)
        for name, kind in found.columns.items()
        if kind is not None and name not in table.columns
    }


def _missed(
    table: Table,
    missing: Sequence[str],
    fresh: Sequence[SourceFile],
    files: Sequence[SourceFile],
    known: Sequence[SourceFile],
) -> tuple[list[str], list[str]]:
    """Return which of the columns `missing` in `fresh` no file has, and which have ended.

    Files of one table may lack columns that others have, and a late file may be older than a column. One has
    ended where the last known file has it and all that are fresh come after that file.
    """
    paths = {file.path for file in fresh}
    old = [file for file in files if file.path not in paths]
    if not missing or not old:
        return list(missing), []
    whole = read_layout(table.source, old).columns
    gone = [name for name in missing if name not in whole]
    before = {file.path for file in known}
    ended = []
    if before and min(paths, default="") > max(before):
        last = read_layout(table.source, [max(old, key=lambda file: file.path)]).columns
        ended = [name for name in missing if name in last]
    return gone, ended


def _refuse(catalog: Catalog, table: Table, drift: Drift, users: Users) -> None:
    for name, kind in drift.changed.items():
        used = users.of(catalog, table.name, name)
        raise SourceUnreadable(
            f"The source of {table.name} has column {name} as {kind or 'a type that is not supported'}, "
            f"the catalog as {parse_type(table.columns[name])}; {_told(used)}.",
            hint="Correct the source, or apply the catalog again; until then the last snapshot is used.",
        )
    for name in (*drift.gone, *drift.ended):
        used = users.of(catalog, table.name, name)
        if used:
            raise SourceUnreadable(
                f"The source of {table.name} no longer has column {name}; {_told(used)}.",
                hint="Bring the column back, or change what uses it; until then the last snapshot is used.",
            )


def _told(used: Sequence[str]) -> str:
    if not used:
        return "nothing uses it"
    shown = ", ".join(used[:_NAMED])
    more = len(used) - _NAMED
    return f"it is used by {shown}{f' and {more} more' if more > 0 else ''}"


def _known_files(before: SnapshotManifest | None, table: str) -> list[SourceFile]:
    """Return the files of a table that stand in the snapshot before."""
    if before is None:
        return []
    if table == before.catalog.profile.name:
        return before.sources
    if table in before.dimensions:
        return before.dimensions[table].sources
    for name, prepared in before.tables.items():
        if name.partition("@")[0] == table:
            return prepared.sources
    return []
