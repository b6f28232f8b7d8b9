"""Resolving orphans: rows that waited for their customer move to a file of their own once it is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyspark.sql import SparkSession

from muster_core.lake.location import Lake
from muster_core.lake.manifest import PreparedTable, StoreFile
from muster_worker.engine.session import engine_errors
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
) -> dict[str, PreparedTable]:
    """Return `tables` with the orphans of the customers that are new in the partitions `added` resolved."""
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
        return tables
    task = ResolveFile(lake=lake, directory=directory, key=key, waiting=tuple(waiting))
    with engine_errors():
        numbers = spark.range(0, len(waiting), 1, len(waiting))
        answers = numbers.mapInArrow(task, "result string").collect()
    changed = dict(tables)
    for answer in (json.loads(row["result"]) for row in answers):
        entry = waiting[answer["number"]]
        changed[entry.table] = _moved(changed[entry.table], entry.file, answer)
    return changed


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
