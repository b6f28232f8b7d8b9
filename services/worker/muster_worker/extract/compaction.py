"""Copying rows between part files: new ones out of staged files, living ones out of worn files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from muster_core.extract.manifest import PartFile
from muster_core.lake.dead import Rows
from muster_core.lake.location import Lake
from muster_worker.extract.index import open_index
from muster_worker.extract.part import PartWriter, StagedFile

#: Files with fewer living rows are small; more of them than this become one.
SMALL_ROWS = 65_536
MOST_SMALL_FILES = 16

_COPY_ROWS = 65_536


def worn_files(files: Sequence[PartFile]) -> list[PartFile]:
    """Return the files that should be written again: more dead than alive, or too many small ones."""
    small = [f for f in files if f.rows - f.dead_rows < SMALL_ROWS]
    many = small if len(small) > MOST_SMALL_FILES else []
    return [f for f in files if f in many or f.dead_rows * 2 > f.rows]


def rewrite(
    lake: Lake, files: Sequence[PartFile], dead: Mapping[int, Rows], writer: PartWriter
) -> list[StagedFile]:
    """Write the living rows of `files` into new ones; none where nothing lives."""
    alive = []
    for file in files:
        living = np.ones(file.rows, dtype=np.bool_)
        living[dead.get(file.number, np.zeros(0, dtype=np.int64))] = False
        alive.append((file, np.flatnonzero(living)))
    return copy_rows(lake, alive, writer)


def copy_rows(
    lake: Lake, chosen: Sequence[tuple[PartFile | StagedFile, Rows]], writer: PartWriter
) -> list[StagedFile]:
    """Write these rows of these files, each still of its piece."""
    with writer:
        for file, rows in chosen:
            pieces = _pieces(lake, file)
            for first, batch in _batches(lake, file.path):
                mine = rows[(rows >= first) & (rows < first + batch.num_rows)]
                if len(mine):
                    writer.write(batch.take(mine - first), pieces[mine])
        return writer.close()


def numbered(files: Sequence[StagedFile], first: int) -> list[PartFile]:
    """Return staged files as files of a manifest, numbered from `first`."""
    return [
        PartFile(
            number=first + place,
            path=file.path,
            index=file.index,
            rows=file.rows,
            size=file.size,
            sha256=file.sha256,
        )
        for place, file in enumerate(files)
    ]


def _pieces(lake: Lake, file: PartFile | StagedFile) -> NDArray[np.uint32]:
    found = np.zeros(file.rows, dtype=np.uint32)
    with open_index(lake, file.index) as index:
        found[index.row] = index.piece
    return found


def _batches(lake: Lake, path: str) -> Iterator[tuple[int, Any]]:
    first = 0
    with lake.open_input(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(_COPY_ROWS, use_threads=False):
            yield first, batch
            first += batch.num_rows
