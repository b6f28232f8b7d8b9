"""From staged files and a difference to the files of the next manifest."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from muster_core.extract.dead import write_dead
from muster_core.extract.manifest import ExtractManifest, PartFile
from muster_core.lake.dead import Rows
from muster_core.lake.location import Lake
from muster_worker.extract.compaction import copy_rows, numbered, rewrite, worn_files
from muster_worker.extract.difference import Difference
from muster_worker.extract.index import Entries, open_index, write_index
from muster_worker.extract.part import PartWriter, StagedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """The files of the next manifest."""

    files: list[PartFile]
    next_file: int
    added_rows: int
    dead_rows: int


def assemble(
    lake: Lake,
    directory: str,
    head: ExtractManifest | None,
    dead: Mapping[int, Rows],
    staged: Sequence[StagedFile],
    difference: Difference,
    writer: Callable[[], PartWriter],
) -> Assembled:
    """Take over wholly new files, copy new rows out of the others, and mark what is gone as dead."""
    added = _added(lake, staged, difference, writer)
    all_dead = _united(dead, difference.dead)
    files = [
        _with_dead(lake, directory, _relabelled(lake, directory, file, difference), all_dead)
        if file.number in difference.dead
        else _relabelled(lake, directory, file, difference)
        for file in (head.files if head else [])
    ]
    next_file = head.next_file if head else 0
    files += numbered(added, next_file)
    next_file += len(added)
    if (added or difference.dead) and (worn := worn_files(files)):
        fresh = rewrite(lake, worn, all_dead, writer())
        files = [f for f in files if f not in worn] + numbered(fresh, next_file)
        next_file += len(fresh)
    if not files:  # a reader needs the columns of an empty table, too
        files = numbered(writer().close(even_empty=True), next_file)
        next_file += 1
    return Assembled(
        files=files,
        next_file=next_file,
        added_rows=sum(f.rows for f in added),
        dead_rows=sum(len(rows) for rows in difference.dead.values()),
    )


def _added(
    lake: Lake,
    staged: Sequence[StagedFile],
    difference: Difference,
    writer: Callable[[], PartWriter],
) -> list[StagedFile]:
    """Return the files of new rows: staged ones that hold nothing else, and copies out of the others."""
    fresh = difference.fresh
    added = [file for place, file in enumerate(staged) if _is_whole(file, fresh.get(place))]
    partly = [
        (file, fresh[place])
        for place, file in enumerate(staged)
        if place in fresh and not _is_whole(file, fresh[place])
    ]
    return added + copy_rows(lake, partly, writer()) if partly else added


def _united(left: Mapping[int, Rows], right: Mapping[int, Rows]) -> dict[int, Rows]:
    both = dict(left)
    for number, rows in right.items():
        both[number] = np.union1d(both[number], rows) if number in both else rows
    return both


def _is_whole(file: StagedFile, fresh: Rows | None) -> bool:
    return fresh is not None and len(fresh) == file.rows


def _with_dead(lake: Lake, directory: str, file: PartFile, dead: Mapping[int, Rows]) -> PartFile:
    rows = dead[file.number]
    path = f"{directory}/dead-{uuid.uuid4().hex}.arrow"
    write_dead(lake, path, rows)
    return file.model_copy(update={"dead": path, "dead_rows": len(rows)})


def _relabelled(lake: Lake, directory: str, file: PartFile, difference: Difference) -> PartFile:
    """Return the file with an index that says in which pieces its rows lie now."""
    if file.number not in difference.moved:
        return file
    rows, pieces = difference.moved[file.number]
    with open_index(lake, file.index) as index:
        entries = index.take(slice(None))
    by_row = np.zeros(file.rows, dtype=np.uint32)
    by_row[entries.row] = entries.piece
    by_row[rows] = pieces
    path = f"{directory}/moved-{uuid.uuid4().hex}.index"
    changed = Entries(
        key=entries.key,
        more=entries.more,
        content=entries.content,
        row=entries.row,
        piece=by_row[entries.row],
    )
    write_index(lake, path, [changed])
    return file.model_copy(update={"index": path})
