"""Rows of source files that are no longer there: their positions stand in small files beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.errors import SourceMissing, SourceUnreadable
from muster_core.lake.origin import open_file

Rows = NDArray[np.int64]


class DeadRows:
    """The dead rows of one source file; none where `path` is None.

    Raises:
        SourceMissing: the file at `path` has gone.
        SourceUnreadable: it is damaged.
    """

    def __init__(self, path: str | None) -> None:
        #: Their positions, ascending.
        self.rows: Rows = np.zeros(0, dtype=np.int64) if path is None else _read(path)

    def living(self, batch: Any, first: int) -> Any:
        """Return the rows of `batch` that are there; the first stands at position `first` of the file."""
        start, end = np.searchsorted(self.rows, [first, first + batch.num_rows])
        if start == end:
            return batch
        alive = np.ones(batch.num_rows, dtype=np.bool_)
        alive[self.rows[start:end] - first] = False
        return batch.filter(pa.array(alive))


def newly_dead(before: str | None, after: str) -> Rows:
    """Return the rows that are dead in the file `after` and were not in the one `before`, ascending.

    Raises:
        SourceMissing: one of the files has gone.
        SourceUnreadable: one is damaged, or rows live again, which no source tells.
    """
    known, now = DeadRows(before).rows, DeadRows(after).rows
    if not np.isin(known, now).all():
        raise SourceUnreadable(f"The file {after} lacks rows that were dead before.")
    return np.setdiff1d(now, known, assume_unique=True)


def _read(path: str) -> Rows:
    try:
        with open_file(path) as file:
            return np.array(pa.ipc.open_file(file).read_all()["row"], dtype=np.int64)
    except SourceMissing as exc:
        raise SourceMissing(f"The file {path} of dead rows has gone.") from exc
    except (pa.ArrowException, OSError, KeyError) as exc:
        raise SourceUnreadable(f"The file {path} of dead rows is damaged.") from exc
