"""Reading sources inside engine tasks with PyArrow, alike on every engine and cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect import functions as F

from muster_core.catalog.document import Table
from muster_core.catalog.type import parse_type
from muster_core.errors import SourceUnreadable
from muster_core.lake.conversion import wider_type
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SourceFile
from muster_core.lake.source import Layout, SourceReader, read_layout, too_large_hint
from muster_worker.engine.python_task import PythonTask
from muster_worker.prepare.interchange import FILE, PARCELS, ROW, ddl_columns
from muster_worker.prepare.task.reading import ReadUnits, ReadWaiting, Waiting
from muster_worker.prepare.task.sending import SendRows

#: Rows one reading task takes at a time: whole row groups up to about this many.
UNIT_ROWS = 500_000

_UNIT = "task int, number int, path string, dead string, groups array<int>, first bigint"


Reading = ReadUnits | ReadWaiting

#: Row groups of a source file that are read by one task, and the position of their first row.
Unit = tuple[SourceFile, list[int], int]


def checked_layout(table: Table, files: Sequence[SourceFile]) -> Layout:
    """Return the layout of a source after making sure it still has the catalog's columns.

    Raises:
        SourceUnreadable: a column has gone or has another type than the catalog says.
    """
    layout = read_layout(table.source, files)
    for name in _misfits(table, layout):
        found = layout.columns.get(name)
        raise SourceUnreadable(
            f"The source of {table.name} has column {name} as {found or 'nothing usable'}, "
            f"the catalog as {parse_type(table.columns[name])}.",
            hint="Apply the catalog again, or correct the source.",
        )
    _refuse_too_large(table, layout)
    return layout


def added_layout(table: Table, added: Sequence[SourceFile], files: Sequence[SourceFile]) -> Layout:
    """Return the layout of the files `added` to the source's `files`.

    The other files are opened only where a column is not found in the new ones as the catalog has it: one
    file may lack a column that others have, and few folder names do not tell a column's type.

    Raises:
        SourceUnreadable: the source as a whole no longer has the catalog's columns.
    """
    layout = read_layout(table.source, added)
    _refuse_too_large(table, layout)
    if not added or not _misfits(table, layout):
        return layout
    whole = checked_layout(table, files)
    return replace(whole, rows=layout.rows, groups=layout.groups)


def _refuse_too_large(table: Table, layout: Layout) -> None:
    """Refuse at once what the footers tell, before the engine reads for minutes."""
    for name, path in layout.too_large.items():
        if name in table.columns:
            raise SourceUnreadable(
                f"The source file {path} of {table.name} has unsigned numbers in column {name}"
                " above 64 bits with a sign.",
                hint=too_large_hint(name),
            )


def _misfits(table: Table, layout: Layout) -> list[str]:
    misfits = []
    for name, text in table.columns.items():
        kind, found = parse_type(text), layout.columns.get(name)
        if found is None or wider_type(kind, found) != kind:
            misfits.append(name)
    return misfits


def reader_of(table: Table, only: Sequence[str] | None = None) -> SourceReader:
    """Return what reads the columns of a table, those in `only` where not all are wanted."""
    columns = {name: table.columns[name] for name in (table.columns if only is None else only)}
    return SourceReader(source=table.source, columns=columns, zone=table.timezone, table=table.name)


def read_waiting(
    spark: SparkSession,
    lake: Lake,
    table: Table,
    waiting: Waiting,
    *,
    keys: Sequence[str],
    send: SendRows | None = None,
) -> DataFrame:
    """Return rows that wait in orphan files as `read_frame` returns those of a source."""
    columns = table.columns
    schema = [f"j{i} string" for i in range(len(keys))]
    schema += ddl_columns(list(columns.values()))
    schema += [f"{FILE} int", f"{ROW} bigint"]
    task = ReadWaiting(lake=lake, waiting=waiting, columns=dict(columns), keys=tuple(keys))
    numbers = spark.range(0, len(waiting.files), 1, len(waiting.files))
    return _mapped(numbers, task, schema, send)


def read_frame(
    spark: SparkSession,
    table: Table,
    files: Sequence[SourceFile],
    layout: Layout,
    *,
    keys: Sequence[str],
    start: int,
    tasks: int,
    only: Sequence[str] | None = None,
    send: SendRows | None = None,
) -> DataFrame:
    """Return a source's rows: key texts ``j0 j1 ...`` of `keys`, columns from number `start`, `f`, `r`.

    `only` names the columns to read where not all are wanted; `keys` must be among them. With `send` the rows
    are returned as its parcels: the one key is the customer's.
    """
    reader = reader_of(table, only)
    units = unit_table(cut_units(files, layout), tasks)
    schema = [f"j{i} string" for i in range(len(keys))]
    schema += ddl_columns(list(reader.columns.values()), start)
    schema += [f"{FILE} int", f"{ROW} bigint"]
    count = max(1, min(tasks, units.num_rows))
    # a table of no rows is refused unless its types are told beside it
    listed = spark.createDataFrame(units) if units.num_rows else spark.createDataFrame([], _UNIT)
    listed = listed.repartitionById(count, F.col("task"))
    read = ReadUnits(reader=reader, keys=tuple(keys), start=start)
    return _mapped(listed, read, schema, send)


def _mapped(
    frame: DataFrame, read: Reading, schema: Sequence[str], send: SendRows | None
) -> DataFrame:
    if send is not None:
        return frame.mapInArrow(PythonTask(replace(send, read=read)), PARCELS)
    return frame.mapInArrow(PythonTask(read), ", ".join(schema))


def cut_units(files: Sequence[SourceFile], layout: Layout) -> list[Unit]:
    """Cut the files into runs of row groups of about `UNIT_ROWS`."""
    units: list[Unit] = []
    for entry in files:
        first = row = 0
        groups: list[int] = []
        for number, rows in enumerate(layout.groups[entry.number]):
            groups.append(number)
            row += rows
            if row - first >= UNIT_ROWS:
                units.append((entry, groups, first))
                first, groups = row, []
        if groups:
            units.append((entry, groups, first))
    return units


def unit_table(units: Sequence[Unit], tasks: int) -> Any:
    """Return units as `ReadUnits` takes them; neighbours go to different ones of so many tasks."""
    return pa.table(
        {
            "task": pa.array([i % tasks for i in range(len(units))], pa.int32()),
            "number": pa.array([u[0].number for u in units], pa.int32()),
            "path": pa.array([u[0].path for u in units], pa.string()),
            "dead": pa.array([u[0].dead for u in units], pa.string()),
            "groups": pa.array([u[1] for u in units], pa.list_(pa.int32())),
            "first": pa.array([u[2] for u in units], pa.int64()),
        }
    )
