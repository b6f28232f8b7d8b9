"""Resolving orphans: rows that waited for their customer move to a file of their own once it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import SparkSession

from muster_core.lake.location import Lake
from muster_core.lake.manifest import PreparedTable, StoreFile
from muster_worker.prepare.numbered import run_numbered
from muster_worker.prepare.task.resolving import ResolveFile, Waiting


def resolve_orphans(
    spark: SparkSession,
    lake: Lake,
    tables: dict[str, PreparedTable],
    *,
    directory: str,
    key: str,
    added: set[int],
    profile: Sequence[StoreFile],
    few_rows: int = 0,
) -> tuple[dict[str, PreparedTable], set[str]]:
    """Return `tables` with the orphans of the customers that are new in the partitions `added` resolved.

    Beside them, the names of those for which the engine was needed: files of up to `few_rows` rows in all
    are read by this process.
    """
    keys = {f.partition: f for f in profile}
    waiting = [
        Waiting(
            table=name,
            columns=table.columns,
            file=file,
            profile=keys[file.partition],
            dead=tuple(table.dead_sources),
        )
        for name, table in tables.items()
        for file in table.orphans
        if file.partition in added
    ]
    if not waiting:
        return tables, set()
    task = ResolveFile(lake=lake, directory=directory, key=key, waiting=tuple(waiting))
    here = sum(entry.file.rows for entry in waiting) <= few_rows
    changed = dict(tables)
    for answer in run_numbered(spark, task, len(waiting), here=here):
        entry = waiting[answer["number"]]
        changed[entry.table] = _moved(changed[entry.table], entry.file, answer)
    return changed, set() if here else {entry.table for entry in waiting}


def _moved(table: PreparedTable, old: StoreFile, answer: dict[str, Any]) -> PreparedTable:
    if answer["file"] is None:
        return table
    found = StoreFile(**answer["file"])
    left = [StoreFile(**answer["orphans"])] if answer["orphans"] else []
    return table.model_copy(
        update={
            "files": sorted([*table.files, found], key=lambda f: f.partition),
            "orphans": [f for f in table.orphans if f.path != old.path] + left,
            "rows": table.rows + found.rows,
            "orphan_rows": table.orphan_rows - found.rows,
        }
    )
