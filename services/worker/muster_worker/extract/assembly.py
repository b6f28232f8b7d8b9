"""From staged files and a difference to the files and kills of the next manifest."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from muster_core.extract.dead import Rows, mark, write_kills
from muster_core.extract.manifest import ExtractManifest, KillFile, PartFile
from muster_core.lake.location import Lake
from muster_worker.extract.difference import Difference
from muster_worker.extract.index import Entries, open_index, write_index
from muster_worker.extract.part import PartWriter, StagedFile

_COPY_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """The files of the next manifest."""

    files: list[PartFile]
    kills: list[KillFile]
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
    """Take over wholly new files, copy new rows out of the others, and kill what is gone."""
    stored = list(head.files) if head else []
    kills = list(head.kills) if head else []
    fresh = difference.fresh
    added = [file for place, file in enumerate(staged) if _is_whole(file, fresh.get(place))]
    partly = [
        (file, fresh[place])
        for place, file in enumerate(staged)
        if place in fresh and not _is_whole(file, fresh[place])
    ]
    if partly:
        added += _copy(lake, partly, writer())
    next_file = head.next_file if head else 0
    if not stored and not added:
        added = writer().close(even_empty=True)  # a reader needs the columns of an empty table, too
    if difference.dead:
        path = f"{directory}/kills-{uuid.uuid4().hex}.arrow"
        kills.append(write_kills(lake, path, difference.dead))
    files = [
        _with_dead(_relabelled(lake, directory, file, difference), file, dead, difference)
        for file in stored
    ]
    for place, new in enumerate(added):
        files.append(
            PartFile(
                number=next_file + place,
                path=new.path,
                index=new.index,
                rows=new.rows,
                size=new.size,
                sha256=new.sha256,
            )
        )
    return Assembled(
        files=files,
        kills=kills,
        next_file=next_file + len(added),
        added_rows=sum(f.rows for f in added),
        dead_rows=sum(len(rows) for rows in difference.dead.values()),
    )


def _is_whole(file: StagedFile, fresh: Rows | None) -> bool:
    return fresh is not None and len(fresh) == file.rows


def _copy(
    lake: Lake, partly: Sequence[tuple[StagedFile, Rows]], writer: PartWriter
) -> list[StagedFile]:
    with writer:
        for file, rows in partly:
            piece = _piece_of(lake, file)
            for first, batch in _batches(lake, file.path):
                chosen = rows[(rows >= first) & (rows < first + batch.num_rows)] - first
                if len(chosen):
                    # a staged file is of one piece
                    writer.write(batch.take(chosen), piece)
        return writer.close()


def _piece_of(lake: Lake, file: StagedFile) -> int:
    with open_index(lake, file.index) as index:
        return int(index.piece[0]) if len(index) else 0


def _batches(lake: Lake, path: str) -> Any:
    first = 0
    with lake.open_input(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(_COPY_ROWS, use_threads=False):
            yield first, batch
            first += batch.num_rows


def _with_dead(
    file: PartFile, before: PartFile, dead: Mapping[int, Rows], difference: Difference
) -> PartFile:
    if before.number not in difference.dead:
        return file
    rows = np.union1d(
        dead.get(before.number, np.zeros(0, dtype=np.int64)), difference.dead[before.number]
    )
    return file.model_copy(update={"dead_rows": len(rows), "dead_mark": mark(rows)})


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
