"""The index beside each part file: hashes of every row's key and content, in the order of the keys.

It is an Arrow file that is mapped into memory, so looking up a few keys touches a few pages only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.lake.location import Lake
from muster_worker.extract.hash import Hashes, hash_rows

Pieces = int | NDArray[np.uint32]

#: The piece of rows that were not read as part of one.
NO_PIECE = 0

_SCHEMA = pa.schema(
    [
        ("key", pa.uint64()),
        # further bits of the key: 96 in all, so that no two keys of any table are taken for one
        ("more", pa.uint32()),
        ("content", pa.uint64()),
        ("row", pa.uint32()),
        ("piece", pa.uint32()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Rows of one or more indexes, column by column."""

    key: Hashes
    more: NDArray[np.uint32]
    content: Hashes
    row: NDArray[np.uint32]
    piece: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.key)

    def take(self, chosen: Any) -> Entries:
        """Return a copy of the entries at these positions, or under this mask or slice."""
        return Entries(
            key=np.array(self.key[chosen]),
            more=np.array(self.more[chosen]),
            content=np.array(self.content[chosen]),
            row=np.array(self.row[chosen]),
            piece=np.array(self.piece[chosen]),
        )


def join(parts: list[Entries]) -> Entries:
    """Return the entries of all `parts` behind each other."""
    return Entries(
        key=np.concatenate([np.zeros(0, np.uint64), *(p.key for p in parts)]),
        more=np.concatenate([np.zeros(0, np.uint32), *(p.more for p in parts)]),
        content=np.concatenate([np.zeros(0, np.uint64), *(p.content for p in parts)]),
        row=np.concatenate([np.zeros(0, np.uint32), *(p.row for p in parts)]),
        piece=np.concatenate([np.zeros(0, np.uint32), *(p.piece for p in parts)]),
    )


def entries_of(batch: Any, key: list[str], first_row: int, piece: Pieces) -> Entries:
    """Return the entries of a batch whose first row stands at `first_row`; no key: the whole row is."""
    told = [batch.column(name) for name in key] or batch.columns
    rows = batch.num_rows
    return Entries(
        key=hash_rows(told, 1),
        more=(hash_rows(told, 2) >> np.uint64(32)).astype(np.uint32),
        content=hash_rows(batch.columns, 3),
        row=np.arange(first_row, first_row + rows, dtype=np.uint32),
        piece=np.full(rows, piece, dtype=np.uint32),  # one for all, or one for each
    )


def write_index(lake: Lake, path: str, parts: list[Entries]) -> None:
    """Write the index of one part file."""
    order = np.argsort(np.concatenate([np.zeros(0, np.uint64), *(p.key for p in parts)]))
    columns = []
    for field in _SCHEMA:
        # one column at a time: all of them twice would be most of a part's memory
        empty = np.zeros(0, dtype=field.type.to_pandas_dtype())
        columns.append(
            pa.array(np.concatenate([empty, *(getattr(p, field.name) for p in parts)])[order])
        )
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    with (
        lake.open_output(path) as output,
        pa.ipc.new_file(pa.PythonFile(output, mode="w"), _SCHEMA) as writer,
    ):
        writer.write_table(table)


@contextmanager
def open_index(lake: Lake, path: str) -> Iterator[Entries]:
    """Map an index into memory; its arrays are gone with the block (`Entries.take` copies)."""
    with lake.open_mapped(path) as file:
        table = pa.ipc.open_file(file).read_all()
        columns = [_column(table, name) for name in _SCHEMA.names]
        yield Entries(
            key=columns[0], more=columns[1], content=columns[2], row=columns[3], piece=columns[4]
        )
        del columns, table


def _column(table: Any, name: str) -> Any:
    chunks = table.column(name).chunks
    if len(chunks) == 1:
        return chunks[0].to_numpy(zero_copy_only=True)
    return table.column(name).to_numpy()
