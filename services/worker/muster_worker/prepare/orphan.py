"""Resolving orphans: rows that waited for their customer move to a file of their own once it is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from muster_core.errors import StoreDamaged
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL, PreparedTable, StoreFile
from muster_worker.engine.session import engine_errors
from muster_worker.prepare.keyfile import read_keys
from muster_worker.prepare.table import split_rows
from muster_worker.prepare.writer import (
    GROUP_ROWS,
    ORPHAN_KEY,
    StoreWriter,
    orphan_schema,
    table_schema,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One orphan file whose partition has new keys."""

    table: str
    columns: dict[str, str]
    file: StoreFile
    profile: StoreFile


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
        Waiting(table=name, columns=table.columns, file=file, profile=keys[file.partition])
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveFile:
    """The task: number of an orphan file in, the file of resolved rows and the rest out."""

    lake: Lake
    directory: str
    key: str
    waiting: tuple[Waiting, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer per orphan file."""
        for batch in batches:
            for number in batch.column("id").to_pylist():
                answer = {"number": number, **self._resolve(self.waiting[number])}
                yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _resolve(self, entry: Waiting) -> dict[str, Any]:
        keys = read_keys(self.lake, entry.profile, self.key)
        partition, columns = entry.file.partition, entry.columns
        with (
            StoreWriter(self.lake, self.directory, partition, table_schema(columns)) as kept,
            StoreWriter(self.lake, self.directory, partition, orphan_schema(columns)) as rest,
        ):
            for batch in self._rows(entry.file):
                rows: Any = pa.Table.from_batches([batch])
                place = pc.index_in(rows.column(ORPHAN_KEY), keys, skip_nulls=True)
                split_rows(rows.append_column(ORDINAL, place), kept, rest)
            file, left = kept.close(), rest.close()
        return {"file": file and file.model_dump(), "orphans": left and left.model_dump()}

    def _rows(self, file: StoreFile) -> Iterator[pa.RecordBatch]:
        try:
            with self.lake.open_input(file.path) as source:
                yield from pq.ParquetFile(source).iter_batches(GROUP_ROWS, use_threads=False)
        except pa.ArrowException as exc:
            raise StoreDamaged(f"The file {file.path} cannot be read.") from exc
