"""Source files as they are found: a Parquet file, a folder of them, or a hive-partitioned folder.

Names starting with ``_`` or ``.`` are left out at every level. Folders named ``key=value`` below the source
become columns. The catalog holds absolute paths, or addresses in object stores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from muster_core.catalog.document import Source
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.errors import SourceMissing, SourceUnreadable
from muster_core.lake.conversion import arrow_type, column_type, convert, wider_type
from muster_core.lake.manifest import SourceFile
from muster_core.lake.origin import find_files, folders_between, open_file

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"-?\d{1,18}")
READ_ROWS = 65_536
_LARGEST = 2**63 - 1


def list_source(source: Source) -> list[SourceFile]:
    """Return the files of a Parquet source in path order, numbered from 0.

    Raises:
        SourceMissing: nothing is there, or the folder holds no Parquet file.
        SourceDenied: this process may not look.
        SourceUnavailable: the store does not answer.
        TerminalError: the address cannot be read.
    """
    assert source.parquet is not None
    found = find_files(source.parquet)
    if not found:
        raise SourceMissing(
            f"The folder {source.parquet} holds no .parquet file.", hint="Correct its path."
        )
    return [
        SourceFile(number=number, path=entry.path, size=entry.size, etag=entry.etag)
        for number, entry in enumerate(found)
    ]


def too_large_hint(column: str) -> str:
    """Return what to do about a column of numbers above the largest whole number of the store."""
    return (
        f"Whole numbers end at {_LARGEST:,} here: write {column} as text or decimal(20,0),"
        " or leave it out with `only`."
    )


@contextmanager
def open_source(path: str) -> Iterator[Any]:
    """Open a source file as a `pyarrow.parquet.ParquetFile`.

    Raises:
        SourceMissing: the file has gone.
        SourceDenied: this process may not read it.
        SourceUnavailable: its store does not answer.
        SourceUnreadable: the file is not Parquet.
    """
    with open_file(path) as opened:
        try:
            file = pq.ParquetFile(opened)
        except (pa.ArrowException, OSError) as exc:
            raise SourceUnreadable(
                f"The source file {path} is not readable Parquet.",
                hint="Replace the file, or name another source.",
            ) from exc
        with file:
            yield file


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the files of one source have: columns by name (None: no catalog type) and rows.

    `rows` counts those that are there; `groups` those that are stored.
    """

    columns: dict[str, ColumnType | None]
    left_out: dict[str, str]
    rows: int
    #: Rows of each row group, by file number.
    groups: dict[int, list[int]]
    #: Columns of unsigned numbers, one of which is above int64, and a file that says so in its footer.
    too_large: dict[str, str] = field(default_factory=dict)


def read_layout(source: Source, files: Sequence[SourceFile]) -> Layout:
    """Read the footers of all files of a source.

    Raises:
        SourceMissing: a file has gone meanwhile.
        SourceUnreadable: a file is no Parquet, or two files disagree about a column's type.
    """
    columns: dict[str, ColumnType | None] = {}
    left_out: dict[str, str] = {}
    groups: dict[int, list[int]] = {}
    too_large: dict[str, str] = {}
    for entry in files:
        with open_source(entry.path) as file:
            metadata, schema = file.metadata, file.schema_arrow
        groups[entry.number] = [
            metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)
        ]
        for found in schema:
            if pa.types.is_null(found.type):
                continue
            kind = column_type(found.type)
            if kind is None:
                left_out[found.name] = str(found.type)
            elif found.type == pa.uint64() and _is_too_large(metadata, found.name):
                too_large.setdefault(found.name, entry.path)
            columns[found.name] = _agree(columns, found.name, kind, entry.path)
    for name, kind in folder_types(source, files).items():
        columns.setdefault(name, kind)
    living = sum(map(sum, groups.values())) - sum(file.dead_rows for file in files)
    return Layout(
        columns=columns, left_out=left_out, rows=living, groups=groups, too_large=too_large
    )


def _is_too_large(metadata: Any, name: str) -> bool:
    """Whether the footer knows of a number above int64 in a column; without statistics nothing is known."""
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    chunks = (
        metadata.row_group(group).column(paths.index(name))
        for group in range(metadata.num_row_groups)
    )
    known = (chunk.statistics for chunk in chunks if chunk.is_stats_set)
    return any(s.has_min_max and s.max > _LARGEST for s in known)


def _agree(
    known: dict[str, ColumnType | None], name: str, kind: ColumnType | None, path: str
) -> ColumnType | None:
    if name not in known:
        return kind
    before = known[name]
    both = wider_type(before, kind) if before is not None and kind is not None else None
    if both is None and before != kind:
        raise SourceUnreadable(
            f"The source file {path} has column {name} as {kind or 'another type'}, "
            f"other files of the table as {before or 'another type'}.",
            hint="Write all files of a table with one schema.",
        )
    return both


def folder_values(source: Source, path: str) -> dict[str, str | None]:
    """Return the ``key=value`` folders between a source and one of its files."""
    if source.parquet is None:
        return {}
    folders = folders_between(source.parquet, path)
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return {unquote(k): None if v == _HIVE_NULL else unquote(v) for k, _, v in pairs}


def folder_types(source: Source, files: Sequence[SourceFile]) -> dict[str, ColumnType]:
    """Return the types of the columns that folders make; they depend on the names of all of them."""
    values: dict[str, set[str]] = {}
    for entry in files:
        for name, value in folder_values(source, entry.path).items():
            values.setdefault(name, set()).update([] if value is None else [value])
    return {name: ColumnType(kind=_kind_of(found)) for name, found in values.items()}


def _kind_of(values: set[str]) -> Kind:
    if values and all(_INTEGER.fullmatch(v) for v in values):
        return Kind.INTEGER
    return Kind.DATE if values and all(map(_is_date, values)) else Kind.TEXT


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReader:
    """Reads named columns of a source, converted to the store's types; travels to engine tasks."""

    source: Source
    columns: dict[str, str]
    zone: str = "UTC"
    #: The table's name in the catalog, for messages.
    table: str = ""

    def read(
        self, path: str, groups: Sequence[int] | None = None, *, rows: int = READ_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one file in file order, all row groups or the ones named.

        Rows that are dead are among them (see `muster_core.lake.dead`). A column the file does not have is
        null, or the value its folder says.

        Raises:
            SourceMissing: the file has gone.
            SourceUnreadable: the file is damaged or a value does not fit its column's type.
        """
        folders = folder_values(self.source, path)
        with open_source(path) as file:
            present = [
                name for name in self.columns if file.schema_arrow.get_field_index(name) >= 0
            ]
            chosen = range(file.num_row_groups) if groups is None else groups
            try:
                for batch in file.iter_batches(
                    rows, row_groups=list(chosen), columns=present, use_threads=False
                ):
                    yield self._convert(batch, folders, path)
            except (pa.ArrowException, OSError) as exc:
                raise SourceUnreadable(
                    f"The source file {path} is damaged.", hint="Replace the file."
                ) from exc

    @property
    def _of_table(self) -> str:
        return f" of {self.table}" if self.table else ""

    def _convert(self, batch: Any, folders: dict[str, str | None], path: str) -> pa.RecordBatch:
        arrays = []
        for name, text in self.columns.items():
            kind = parse_type(text)
            position = batch.schema.get_field_index(name)
            if position < 0 or pa.types.is_null(batch.column(position).type):
                value = folders.get(name)
                repeated = pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)
                arrays.append(
                    repeated.cast(arrow_type(kind))
                    if name in folders
                    else pa.nulls(batch.num_rows, arrow_type(kind))
                )
                continue
            try:
                arrays.append(convert(batch.column(position), kind, self.zone))
            except pa.ArrowException:
                # Arrow's message quotes the value, which is member data: it must not reach any log.
                unsigned = batch.column(position).type == pa.uint64()
                raise SourceUnreadable(
                    f"The source file {path}{self._of_table} has a value in column {name}"
                    f" that {text} cannot hold.",
                    hint=too_large_hint(name) if unsigned else None,
                ) from None
        return pa.RecordBatch.from_arrays(arrays, names=list(self.columns))
