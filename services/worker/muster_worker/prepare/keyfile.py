"""Reading back, inside tasks, what an earlier preparation wrote about a partition's customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muster_core.errors import StoreDamaged
from muster_core.lake.key import key_text
from muster_core.lake.location import Lake
from muster_core.lake.manifest import StoreFile


def read_columns(lake: Lake, file: StoreFile, columns: Sequence[str]) -> Any:
    """Return columns of a prepared file as an Arrow table.

    Raises:
        StoreDamaged: the file is missing, unreadable, or has another number of rows.
    """
    try:
        with lake.open_input(file.path) as source:
            table = pq.ParquetFile(source).read(list(columns), use_threads=False)
    except pa.ArrowException as exc:
        raise StoreDamaged(f"The file {file.path} cannot be read.") from exc
    if table.num_rows != file.rows:
        raise StoreDamaged(f"The file {file.path} does not have the rows it should.")
    return table.select(list(columns))


def read_keys(lake: Lake, file: StoreFile | None, key: str) -> Any:
    """Return the canonical key texts of a partition in ordinal order; empty where it has no file."""
    if file is None:
        return pa.array([], pa.string())
    return key_text(read_columns(lake, file, [key]).column(key)).combine_chunks()
