"""Dead rows of prepared files: one bit a row, in small files beside them whose names tell what they hold."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from muster_core.errors import StoreDamaged
from muster_core.lake.location import Lake
from muster_core.lake.manifest import StoreFile

Bits = NDArray[np.bool_]


def write_bitmap(lake: Lake, directory: str, dead: Bits) -> str:
    """Write which rows of a prepared file are dead, in the order of the file; return where."""
    data = np.packbits(dead, bitorder="little").tobytes()
    path = f"{directory}/dead-{hashlib.sha256(data).hexdigest()}.bits"
    lake.write_bytes(path, data)
    return path


def read_bitmap(lake: Lake, entry: StoreFile) -> Bits | None:
    """Return, per row of a prepared file, whether it is dead; None: all live.

    Raises:
        StoreDamaged: the bitmap is missing or is not the one that was written.
    """
    if entry.dead is None:
        return None
    data = lake.read_bytes(entry.dead)
    named = entry.dead.rpartition("/dead-")[2].removesuffix(".bits")
    if hashlib.sha256(data).hexdigest() != named or len(data) != -(-entry.rows // 8):
        raise StoreDamaged(f"The file {entry.dead} is not the one its name tells.")
    packed = np.frombuffer(data, dtype=np.uint8)
    return np.unpackbits(packed, count=entry.rows, bitorder="little").astype(np.bool_)
