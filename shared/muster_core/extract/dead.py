"""Writing down which rows of extracted files are no longer at the source."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from muster_core.extract.manifest import ExtractManifest
from muster_core.lake.dead import DeadRows, Rows
from muster_core.lake.location import Lake

_SCHEMA = pa.schema([("row", pa.int64())])


def write_dead(lake: Lake, path: str, rows: Rows) -> None:
    """Write the positions of all dead rows of one file."""
    table = pa.table({"row": pa.array(np.unique(rows), pa.int64())}, schema=_SCHEMA)
    with (
        lake.open_output(path) as output,
        pa.ipc.new_file(pa.PythonFile(output, mode="w"), _SCHEMA) as writer,
    ):
        writer.write_table(table)


def dead_rows(lake: Lake, manifest: ExtractManifest) -> dict[int, Rows]:
    """Return the dead rows of every file of a manifest that has any, by its number."""
    return {
        f.number: DeadRows(lake.address(f.dead)).rows for f in manifest.files if f.dead is not None
    }
