"""Rows of extracted files that are no longer at the source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.extract.manifest import ExtractManifest, KillFile
from muster_core.lake.location import Lake

Rows = NDArray[np.int64]

_SCHEMA = pa.schema([("file", pa.int32()), ("row", pa.int64())])


def write_kills(lake: Lake, path: str, dead: Mapping[int, Rows]) -> KillFile:
    """Write the rows that died, by file number."""
    numbers = sorted(number for number, rows in dead.items() if len(rows))
    files = [np.full(len(dead[n]), n, dtype=np.int32) for n in numbers]
    rows = [np.sort(dead[n]) for n in numbers]
    table = pa.table(
        {
            "file": pa.array(np.concatenate([np.zeros(0, np.int32), *files])),
            "row": pa.array(np.concatenate([np.zeros(0, np.int64), *rows])),
        },
        schema=_SCHEMA,
    )
    with (
        lake.open_output(path) as output,
        pa.ipc.new_file(pa.PythonFile(output, mode="w"), _SCHEMA) as writer,
    ):
        writer.write_table(table)
    return KillFile(path=path, rows=table.num_rows, sha256=output.sha256)


def read_kills(lake: Lake, kills: Iterable[KillFile]) -> dict[int, Rows]:
    """Return the dead rows by file number, ascending."""
    found: dict[int, list[Rows]] = {}
    for kill in kills:
        with lake.open_input(kill.path) as file:
            table = pa.ipc.open_file(file).read_all()
            # the memory map ends with the block
            files, rows = np.array(table["file"]), np.array(table["row"])
        for number in np.unique(files).tolist():
            found.setdefault(number, []).append(rows[files == number])
    return {number: np.sort(np.concatenate(parts)) for number, parts in found.items()}


def dead_rows(lake: Lake, manifest: ExtractManifest) -> dict[int, Rows]:
    """Return the dead rows of every file of a manifest that has any."""
    known = {f.number for f in manifest.files if f.dead_rows}
    return {n: rows for n, rows in read_kills(lake, manifest.kills).items() if n in known}


def mark(rows: Rows) -> str:
    """Return eight digits that tell one set of dead rows from another."""
    return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()[:8] if len(rows) else ""
