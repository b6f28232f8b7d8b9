"""Listing the lake against what is named, marking what is not, and removing what has been marked for long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import Engine

from muster_core.catalog.document import Catalog
from muster_core.lake.location import Lake
from muster_core.lake.object import Entry
from muster_core.lake.place import MATRIX, PLANS, SOURCES, STORE, source_folder
from muster_core.storage.catalog import current_catalog
from muster_core.storage.collection import Needed, forget_garbage, mark_garbage
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import give_back_lease, take_lease

T = TypeVar("T")

#: Files that are marked or removed at once.
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a look at the lake found: files that stay, that wait for their grace to end, and that may go."""

    named: list[Entry] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)
    ripe: list[Entry] = field(default_factory=list)


def look(
    lake: Lake,
    named: set[str],
    needed: Needed,
    extracted: frozenset[str],
    marked: dict[str, bool],
    *,
    now: datetime,
    grace: timedelta,
) -> Findings:
    """Sort the files of the lake.

    Args:
        lake: what is listed.
        named: files that must stay.
        needed: where files are being written now, which stay as well.
        extracted: tables in use that are extracted; each cleans its own folder.
        marked: files marked before, and whether that is long ago.
        now: the database's time.
        grace: how old a file must be in any case: whoever wrote it has ended since.
    """
    found = Findings()
    kept = (*needed.in_flight, *(f"{source_folder(table)}/" for table in extracted))
    for entry in _listed(lake):
        if entry.path in named or entry.path.startswith(kept):
            found.named.append(entry)
        elif marked.get(entry.path) and entry.written_at <= now - grace:
            found.ripe.append(entry)
        else:
            found.waiting.append(entry)
    return found


def mark(database: Engine, found: Findings, marked: dict[str, bool]) -> int:
    """Mark what nothing names, unmark what is named again or has gone; return how many are new."""
    there = {entry.path for entry in (*found.waiting, *found.ripe)}
    new = [entry.path for entry in found.waiting if entry.path not in marked]
    gone = [path for path in marked if path not in there]
    for paths in _chunks(new):
        with transaction(database) as connection:
            mark_garbage(connection, paths)
    for paths in _chunks(gone):
        with transaction(database) as connection:
            forget_garbage(connection, paths)
    return len(new)


def remove(
    database: Engine,
    lake: Lake,
    ripe: Sequence[Entry],
    *,
    owner: str,
    lease: timedelta,
    check: Callable[[], None],
) -> list[Entry]:
    """Remove files from the lake, then their marks; return those that were removed.

    `check` is called before each part and may raise to stop. What was extracted of PostgreSQL tables goes only
    while nobody prepares, and only while its table is not in the catalog: else it waits for the next time.
    """
    removed: list[Entry] = []
    ours = [entry for entry in ripe if not _is_extracted(entry.path)]
    for entries in _chunks(ours):
        check()
        _remove(database, lake, [entry.path for entry in entries])
        removed += entries
    for entries in _chunks(entry for entry in ripe if _is_extracted(entry.path)):
        check()
        with transaction(database) as connection:
            fence = take_lease(connection, owner=owner, lease=lease)
        if fence is None:
            break
        try:
            with transaction(database) as connection:
                found = current_catalog(connection)
            folders = tuple(f"{source_folder(t)}/" for t in extracted_tables(found and found[1]))
            chosen = [entry for entry in entries if not entry.path.startswith(folders)]
            _remove(database, lake, [entry.path for entry in chosen])
            removed += chosen
        finally:
            with transaction(database) as connection:
                give_back_lease(connection, fence=fence)
    return removed


def extracted_tables(catalog: Catalog | None) -> frozenset[str]:
    """Return the tables of a catalog whose rows are extracted into the lake."""
    tables = (catalog.profile, *catalog.tables.values()) if catalog else ()
    return frozenset(table.name for table in tables if table.source.postgres is not None)


def _remove(database: Engine, lake: Lake, paths: Sequence[str]) -> None:
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, files in folders.items():
        lake.remove(files, below=folder)
        lake.prune(folder)
    # last: a crash before it leaves marks of files that have gone, which the next look forgets
    with transaction(database) as connection:
        forget_garbage(connection, paths)


def _listed(lake: Lake) -> Iterator[Entry]:
    for top in (STORE, MATRIX, PLANS, SOURCES):
        yield from lake.entries(top)


def _is_extracted(path: str) -> bool:
    return path.startswith(f"{SOURCES}/")


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
