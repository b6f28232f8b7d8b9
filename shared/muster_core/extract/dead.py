"""Rows of an extracted file that are no longer at the source: their positions, in a small file beside it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.extract.manifest import ExtractManifest
from muster_core.lake.location import Lake

Rows = NDArray[np.int64]

_SCHEMA = pa.schema([("row", pa.int64())])


def write_dead(lake: Lake, path: str, rows: Rows) -> None:
    """Write the positions of all dead rows of one file."""
    table = pa.table({"row": pa.array(np.unique(rows), pa.int64())}, schema=_SCHEMA)
    with (
        lake.open_output(path) as output,
        pa.ipc.new_file(pa.PythonFile(output, mode="w"), _SCHEMA) as writer,
    ):
        writer.write_table(table)


def read_dead(lake: Lake, path: str) -> Rows:
    """Return the positions of the dead rows of one file, ascending."""
    with lake.open_input(path) as file:
        # copied: the memory map ends with the block
        return np.array(pa.ipc.open_file(file).read_all()["row"], dtype=np.int64)


def dead_rows(lake: Lake, manifest: ExtractManifest) -> dict[int, Rows]:
    """Return the dead rows of every file of a manifest that has any, by its number."""
    return {f.number: read_dead(lake, f.dead) for f in manifest.files if f.dead is not None}
