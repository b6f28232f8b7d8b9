"""Writes members as files: the same rows always give the same bytes.

Rows are cut into groups of `GROUP_ROWS` counted from the start of a file, whatever the batches they come in,
because the group bounds show in the bytes of Parquet and of compressed files.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from muster_core.exports.cell import csv_cells, json_lines, neutralise
from muster_core.exports.document import Format

#: Rows held in memory at once, and rows of a Parquet row group.
GROUP_ROWS = 65_536
_GZIP_LEVEL = 6

#: What a reader must know about the CSV files; stored in every manifest.
CSV_DIALECT: dict[str, object] = {
    "encoding": "utf-8",
    "delimiter": ",",
    "quote": '"',
    "escape": "doubled quote",
    "line_end": "\n",
    "header": True,
    "missing": "empty without quotes",
    "lists": "json",
}


Output = BinaryIO | io.RawIOBase


class RowFeed:
    """Batches of rows, handed out in exact numbers."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = iter(batches)
        self._rest: Any = None

    def read(self, rows: int | None = None) -> Iterator[Any]:
        """Yield tables of `GROUP_ROWS` rows, the last one shorter, up to `rows` in all (None: to the end)."""
        left = rows
        while left is None or left > 0:
            wanted = GROUP_ROWS if left is None else min(GROUP_ROWS, left)
            group = self._gather(wanted)
            if group is None:
                return
            left = None if left is None else left - group.num_rows
            yield group

    def _gather(self, wanted: int) -> Any:
        parts: list[Any] = []
        count = 0
        while count < wanted:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            self._rest = None
            if batch is None:
                break
            if batch.num_rows > wanted - count:
                self._rest = batch.slice(wanted - count)
                batch = batch.slice(0, wanted - count)
            if batch.num_rows:
                parts.append(batch)
                count += batch.num_rows
        return pa.Table.from_batches(parts).combine_chunks() if parts else None


def write_file(
    output: Output, schema: Any, groups: Iterable[Any], *, form: Format, raw: bool = False
) -> int:
    """Write one complete file of `form` to `output`, leave it open, and return the number of rows.

    Args:
        output: where to, from its present position on.
        schema: the Arrow schema of the rows, with the names they are delivered under.
        groups: tables of that schema, as `RowFeed.read` yields them.
        form: which kind of file.
        raw: CSV only, leave text as it is though a spreadsheet may run it.
    """
    if form is Format.PARQUET:
        return _write_parquet(output, schema, groups)
    if form is Format.JSONL:
        return _write_json(output, groups)
    if form is Format.CSV:
        return _write_csv(output, schema, groups, raw)
    # Neither name nor time in the gzip header: the bytes are a function of the rows alone.
    with _Gzip("", "wb", _GZIP_LEVEL, output, mtime=0) as packed:
        return _write_csv(packed, schema, groups, raw)


class _Gzip(gzip.GzipFile):
    """A gzip file that is not closed again, when it is collected, where its header could not be written."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(*arguments, **options)
        except BaseException:
            self.fileobj = None  # type: ignore[assignment]  # closed, in its own words
            raise


def _write_csv(output: Any, schema: Any, groups: Iterable[Any], raw: bool) -> int:
    header = pa.array(schema.names, pa.string())
    cells = (header if raw else neutralise(header)).to_pylist()
    names = [f"c{number}" for number in range(len(cells))]
    output.write(_csv_lines(pa.table([[cell] for cell in cells], names)))
    rows = 0
    for group in groups:
        columns = [csv_cells(column, raw=raw) for column in group.columns]
        output.write(_csv_lines(pa.table(columns, names)))
        rows += group.num_rows
    return rows


def _write_json(output: Output, groups: Iterable[Any]) -> int:
    rows = 0
    for group in groups:
        lines = json_lines(group)
        # one text of all lines, each with its end
        ended = pc.binary_join_element_wise(lines, "", "\n")
        output.write(
            pc.binary_join(pa.ListArray.from_arrays([0, len(ended)], ended), "")[0].as_buffer()
        )
        rows += group.num_rows
    return rows


def _csv_lines(table: Any) -> Any:
    buffer = pa.BufferOutputStream()
    # "needed" quotes all text and leaves a missing value empty, so empty text and no text differ.
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    pacsv.write_csv(table, buffer, options)
    return buffer.getvalue()


def _write_parquet(output: Output, schema: Any, groups: Iterable[Any]) -> int:
    waiting = iter(groups)
    first = next(waiting, None)
    rows = 0
    with pq.ParquetWriter(
        pa.PythonFile(output, mode="w"),
        schema,
        version="2.6",
        compression="zstd",
        data_page_version="1.0",
        use_dictionary=True if first is None else _repeated(first),
        write_statistics=True,
    ) as writer:
        while first is not None:
            writer.write_table(first, row_group_size=GROUP_ROWS)
            rows += first.num_rows
            first = next(waiting, None)
    return rows


def _repeated(group: Any) -> list[str]:
    """Return the Parquet paths of the columns whose values repeat: only these are worth a dictionary.

    The first rows of a file decide, so its bytes are still a function of its rows. What is tried for nothing,
    such as a column of keys, costs as much as all the rest of the writing.
    """
    found = []
    for field, column in zip(group.schema, group.columns, strict=True):
        if pa.types.is_nested(field.type):
            found.append(f"{field.name}.list.element")
        elif 2 * len(pc.unique(column)) <= group.num_rows:
            found.append(field.name)
    return found
