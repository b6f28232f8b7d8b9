"""Streaming rows into one immutable Parquet file of the store."""

from __future__ import annotations

import uuid
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muster_core.catalog.type import parse_type
from muster_core.lake.conversion import arrow_type
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, SOURCE_ROW, StoreFile
from muster_core.lake.output import Output

#: Rows of one row group: the unit of pruning by time and of memory while writing.
GROUP_ROWS = 131_072

#: Rows whose values tell whether a column's repeat.
_SAMPLE_ROWS = 16_384

#: The customer key's text in an orphan file; null where the row's parent is not known.
ORPHAN_KEY = "_key"


def table_schema(columns: dict[str, str]) -> Any:
    """Return the schema of a prepared table's files."""
    return pa.schema(
        [
            pa.field(ORDINAL, pa.int32()),
            *(pa.field(name, arrow_type(parse_type(t))) for name, t in columns.items()),
            pa.field(SOURCE_FILE, pa.int32()),
            pa.field(SOURCE_ROW, pa.int64()),
        ]
    )


def orphan_schema(columns: dict[str, str]) -> Any:
    """Return the schema of a table's orphan files: the key in place of the ordinal."""
    return pa.schema([pa.field(ORPHAN_KEY, pa.string()), *list(table_schema(columns))[1:]])


class StoreWriter:
    """Writes one file under a name nobody else has; no row, no file.

    Used as a context manager; leaving it with an exception removes what was written.
    """

    def __init__(self, lake: Lake, directory: str, partition: int, schema: Any) -> None:
        self._lake = lake
        self._path = f"{directory}/part-{partition:05d}-{uuid.uuid4().hex}.parquet"
        self._partition = partition
        self._schema = schema
        self._output: Output | None = None
        self._parquet: Any = None
        self.rows = 0

    def write(self, table: Any) -> None:
        """Add rows, whose columns are those of the schema, as row groups.

        Raises:
            NoSpace: the disk is full.
        """
        if not table.num_rows:
            return
        self._open(table)
        self._parquet.write_table(table.select(self._schema.names), row_group_size=GROUP_ROWS)
        self.rows += table.num_rows

    def close(self, *, even_empty: bool = False) -> StoreFile | None:
        """Finish the file and return its manifest entry; None where there was no row."""
        if even_empty:
            self._open(self._schema.empty_table())
        if self._output is None:
            return None
        self._parquet.close()
        self._output.close()
        return StoreFile(
            path=self._path,
            partition=self._partition,
            rows=self.rows,
            size=self._output.size,
            sha256=self._output.sha256,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._output is not None and kind is not None:
            self._output.abandon()
            if self._parquet is not None:
                self._parquet.close()
            self._output.__exit__(kind, *rest)

    def _open(self, first: Any) -> None:
        if self._output is None:
            self._output = self._lake.open_output(self._path)
            self._parquet = pq.ParquetWriter(
                pa.PythonFile(self._output, mode="w"),
                self._schema,
                compression="zstd",
                use_dictionary=_dictionary_columns(self._schema, first),
                # money of up to 18 digits is read three times as fast as integers
                store_decimal_as_integer=True,
            )


def _dictionary_columns(schema: Any, first: Any) -> list[str]:
    """Return the leaf paths worth a dictionary: values that repeat, not positions.

    Texts always have one, since whoever reads them wants codes. Of numbers that hardly repeat it would be
    built and given up in every row group, which takes longer than all else.
    """
    return [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in schema
        if field.name not in (ORDINAL, SOURCE_FILE, SOURCE_ROW)
        and (not _is_number(field.type) or _repeats(first.column(field.name)))
    ]


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def _repeats(column: Any) -> bool:
    sample = column[:_SAMPLE_ROWS].drop_null()
    return not len(sample) or pc.count_distinct(sample).as_py() <= len(sample) // 2
