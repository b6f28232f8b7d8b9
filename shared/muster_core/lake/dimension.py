"""Columns of dimensions, read once per process: many partitions of a task look keys up in one file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import pyarrow as pa

from muster_core.lake.location import Lake
from muster_core.lake.manifest import StoreFile
from muster_core.lake.scan import intact, open_parquet

#: Bytes of dimension columns a process keeps; the least recently used ones make room.
KEPT_BYTES = 256 * 1024 * 1024

_Name = tuple[str, str, str, str]


class ColumnCache:
    """Arrow columns by name, up to a number of bytes; one larger than that is kept while it is the only one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._columns: OrderedDict[_Name, pa.ChunkedArray] = OrderedDict()
        self._size = 0

    def get(self, name: _Name) -> pa.ChunkedArray | None:
        """Return a kept column, now the most recently used."""
        with self._lock:
            found = self._columns.get(name)
            if found is not None:
                self._columns.move_to_end(name)
            return found

    def put(self, name: _Name, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Keep a column, or the one that another thread kept meanwhile, and return it."""
        with self._lock:
            if name in self._columns:
                return self._columns[name]
            self._columns[name] = column
            self._size += column.nbytes
            while self._size > self._limit and len(self._columns) > 1:
                _, dropped = self._columns.popitem(last=False)
                self._size -= dropped.nbytes
            return column


_CACHE = ColumnCache(KEPT_BYTES)


def read_dimension(lake: Lake, file: StoreFile, column: str) -> pa.ChunkedArray:
    """Return a column of a dimension's file, in the order of the file, text dictionary-encoded.

    Raises:
        StoreDamaged: the file is missing, unreadable or without this column.
    """
    # the hash tells apart what a restored lake may hold under one path
    name = (lake.url, file.path, file.sha256, column)
    found = _CACHE.get(name)
    if found is not None:
        return found
    with lake.open_input(file.path) as source, intact(file):
        parquet = open_parquet(source, file, [column])
        table: Any = parquet.read([column], use_threads=False)
    # one dictionary and one chunk, so that places in the column are places in memory
    whole = table.unify_dictionaries().combine_chunks()
    return _CACHE.put(name, whole.column(whole.schema.get_field_index(column)))
