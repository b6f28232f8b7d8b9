"""Preparing dimensions: tables that rows and profiles refer to, stored whole and once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import SparkSession

from muster_core.errors import TerminalError
from muster_core.lake.location import Lake
from muster_core.lake.manifest import DimensionTable, SourceFile, StoreFile
from muster_worker.prepare.change import Whole
from muster_worker.prepare.numbered import run_numbered
from muster_worker.prepare.parent import refuse_repeated_keys
from muster_worker.prepare.read import checked_layout, reader_of
from muster_worker.prepare.statistic import Counted
from muster_worker.prepare.task.storing import StoreDimensions, StoredWhole


def prepare_dimensions(
    spark: SparkSession,
    lake: Lake,
    wanted: Sequence[Whole],
    listing: dict[str, list[SourceFile]],
    *,
    directory: str,
    few_rows: int = 0,
) -> dict[str, tuple[DimensionTable, Counted]]:
    """Write one file per dimension, all of them in one job, and return it with its statistics.

    Up to `few_rows` rows are written by this process, without the engine.

    Raises:
        DuplicateKeys: a column that is referred to repeats a key.
        TerminalError: another number of rows was read than the files hold.
    """
    if not wanted:
        return {}
    rows = [checked_layout(w.table, listing[w.table.name]).rows for w in wanted]
    entries = tuple(_entry(w, listing[w.table.name]) for w in wanted)
    task = StoreDimensions(lake=lake, directory=directory, tables=entries)
    answers = run_numbered(spark, task, len(wanted), here=sum(rows) <= few_rows)
    found = {}
    for answer in sorted(answers, key=lambda a: int(a["number"])):
        entry = wanted[answer["number"]]
        _refuse(entry.table.name, answer, rows[answer["number"]])
        made = _dimension(entry, listing[entry.table.name], answer)
        found[entry.table.name] = made, answer["columns"]
    return found


def _entry(wanted: Whole, sources: Sequence[SourceFile]) -> StoredWhole:
    table = wanted.table
    return StoredWhole(
        table=table.name,
        reader=reader_of(table),
        keys=tuple(wanted.keys),
        files=tuple(sources),
        personal=frozenset(table.personal),
    )


def _refuse(table: str, answer: dict[str, Any], expected: int) -> None:
    for column, count in answer["duplicates"].items():
        refuse_repeated_keys(table, column, count)
    if answer["rows"] != expected:
        raise TerminalError(
            f"The sources of {table} hold {expected:,} rows but {answer['rows']:,} came through.",
            hint="Sources must not change while they are read; try again.",
        )


def _dimension(entry: Whole, sources: list[SourceFile], answer: dict[str, Any]) -> DimensionTable:
    file = StoreFile(**answer["file"])
    return DimensionTable(
        columns=entry.table.columns,
        keys=entry.keys,
        fingerprint=entry.fingerprint,
        sources=sources,
        file=file,
        rows=file.rows,
        rows_without_key=answer["without_key"],
    )
