"""Streaming rows into part files: bounded row groups, bounded files, an index beside each."""

from __future__ import annotations

import uuid
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from muster_core.lake.location import Lake
from muster_core.lake.output import Output
from muster_worker.extract.index import Entries, Pieces, entries_of, write_index

#: A row group ends at whichever comes first.
GROUP_ROWS = 131_072
GROUP_BYTES = 32 << 20

#: A part file ends at the row group that reaches this.
FILE_ROWS = 1_048_576


class StagedFile(BaseModel):
    """A part file that no manifest names yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    index: str
    rows: int
    size: int
    sha256: str
    #: The highest value of the watermark column, as the whole number it is stored as.
    watermark: int | None = None


class PartWriter:
    """Writes the rows of one piece, as one or more files; no row, no file.

    Used as a context manager; leaving it with an exception removes the file being written.
    """

    def __init__(
        self, lake: Lake, directory: str, schema: Any, *, key: list[str], watermark: str | None
    ) -> None:
        self._lake = lake
        self._directory = directory
        self._schema = schema
        self._key = key
        self._watermark = watermark
        self._open: _OpenPart | None = None
        self.files: list[StagedFile] = []

    def write(self, batch: Any, piece: Pieces) -> None:
        """Add rows of one piece, or with a piece for each."""
        if not batch.num_rows:
            return
        self._begin().add(batch, piece)
        if self._open is not None and self._open.rows >= FILE_ROWS:
            self._end()

    def close(self, *, even_empty: bool = False) -> list[StagedFile]:
        """Finish the last file and return all of them; `even_empty` gives one without rows."""
        if even_empty and not self.files:
            self._begin()
        self._end()
        return self.files

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._open is not None:
            self._open.abandon()

    def _begin(self) -> _OpenPart:
        if self._open is None:
            path = f"{self._directory}/part-{uuid.uuid4().hex}.parquet"
            self._open = _OpenPart(self._lake, path, self._schema, self._key, self._watermark)
        return self._open

    def _end(self) -> None:
        if self._open is not None:
            self.files.append(self._open.finish())
            self._open = None


class _OpenPart:
    """One file being written."""

    def __init__(
        self, lake: Lake, path: str, schema: Any, key: list[str], watermark: str | None
    ) -> None:
        self._lake, self._path, self._schema = lake, path, schema
        self._key, self._watermark = key, watermark
        self._output: Output = lake.open_output(path)
        self._parquet = pq.ParquetWriter(
            pa.PythonFile(self._output, mode="w"), schema, compression="zstd"
        )
        self._waiting: list[Any] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._entries: list[Entries] = []
        self._highest: int | None = None
        self.rows = 0

    def add(self, batch: Any, piece: Pieces) -> None:
        self._entries.append(entries_of(batch, self._key, self.rows, piece))
        self.rows += batch.num_rows
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._watermark is not None:
            self._highest = _higher(self._highest, batch.column(self._watermark))
        if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, schema=self._schema)
            self._parquet.write_table(table, row_group_size=max(1, table.num_rows))
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0

    def finish(self) -> StagedFile:
        with self._output:
            self._flush()
            self._parquet.close()
        index = self._path.removesuffix(".parquet") + ".index"
        write_index(self._lake, index, self._entries)
        return StagedFile(
            path=self._path,
            index=index,
            rows=self.rows,
            size=self._output.size,
            sha256=self._output.sha256,
            watermark=self._highest,
        )

    def abandon(self) -> None:
        self._output.abandon()
        self._parquet.close()
        self._output.__exit__(GeneratorExit)


def _higher(known: int | None, column: Any) -> int | None:
    if pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    found: int | None = pc.max(column).as_py()
    return max((v for v in (known, found) if v is not None), default=None)
