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


def _read(path: str) -> Rows:
    try:
        with open_file(path) as file:
            return np.array(pa.ipc.open_file(file).read_all()["row"], dtype=np.int64)
    except SourceMissing as exc:
        raise SourceMissing(f"The file {path} of dead rows has gone.") from exc
    except (pa.ArrowException, OSError, KeyError) as exc:
        raise SourceUnreadable(f"The file {path} of dead rows is damaged.") from exc
