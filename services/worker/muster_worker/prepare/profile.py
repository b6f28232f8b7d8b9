"""Preparing the profile: which ordinal every customer key has, and one row per ordinal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect import functions as F

from muster_core.catalog.document import Table
from muster_core.errors import DuplicateKeys, NullKeys
from muster_core.lake.key import partition_hashes
from muster_core.lake.location import Lake
from muster_core.lake.manifest import KeyRange, SourceFile, StoreFile
from muster_core.lake.source import Layout
from muster_worker.engine.python_task import PythonTask
from muster_worker.engine.session import engine_errors
from muster_worker.prepare.budget import Budget, BudgetSpent
from muster_worker.prepare.interchange import FILE, HASH, KEY, PARTITION, ROW, travelling
from muster_worker.prepare.read import cut_units, read_frame, reader_of, unit_table
from muster_worker.prepare.statistic import Counted
from muster_worker.prepare.task.numbering import NumberCustomers
from muster_worker.prepare.task.reading import ReadUnits


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedProfile:
    """What came back: the key manifest, the files, and the partitions that got new keys."""

    keys: list[KeyRange]
    files: list[StoreFile]
    added: dict[int, int]
    vanished: int
    #: Statistics of the columns, one entry per partition; none for a profile that was taken over.
    counted: list[Counted] = field(default_factory=list)
    #: Whether this process did the work alone.
    without_engine: bool = True


def prepare_profile(
    spark: SparkSession,
    lake: Lake,
    table: Table,
    key: str,
    files: Sequence[SourceFile],
    layout: Layout,
    *,
    directory: str,
    partitions: int,
    before: Sequence[StoreFile],
    few_rows: int = 0,
) -> PreparedProfile:
    """Number the customers, known keys as in the parent's files `before`, and write their rows.

    Up to `few_rows` customers are numbered by this process, without the engine.

    Raises:
        DuplicateKeys: keys repeat; counted over all partitions, nothing is published.
        NullKeys: rows have no key.
    """
    task = NumberCustomers(
        lake=lake,
        directory=directory,
        columns=table.columns,
        key=key,
        before={f.partition: f for f in before},
        personal=frozenset(table.personal),
    )
    told = None
    if layout.rows <= few_rows:
        told = _number_here(task, table, key, files, layout, partitions)
    without_engine = told is not None
    if told is None:
        with engine_errors():
            rows = read_frame(spark, table, files, layout, keys=[key], start=0, tasks=partitions)
            numbered = rows.transform(lambda frame: _partitioned(spark, frame, partitions))
            told = [
                r["result"]
                for r in numbered.mapInArrow(PythonTask(task), "result string").collect()
            ]
    found = _gather([json.loads(answer) for answer in told], key, table.name)
    return replace(found, without_engine=without_engine)


def _number_here(
    task: NumberCustomers,
    table: Table,
    key: str,
    files: Sequence[SourceFile],
    layout: Layout,
    partitions: int,
) -> list[str] | None:
    """Return the task's answer for every partition; None: the rows are more than this process holds."""
    reader = reader_of(table)
    batches, budget = [], Budget()
    try:
        units = unit_table(cut_units(files, layout), 1).to_batches()
        for batch in ReadUnits(reader=reader, keys=(key,), start=0)(units):
            budget.hold(batch.nbytes)
            batches.append(batch)
    except BudgetSpent:
        return None
    rows = pa.Table.from_batches(batches, travelling(list(table.columns.values()), keys=1))
    return [
        answer.column("result")[0].as_py()
        for part in _brought(rows, partitions)
        for answer in task([part])
    ]


def _brought(rows: Any, partitions: int) -> Iterator[Any]:
    """Yield the rows of every partition as `_partitioned` brings them to its task."""
    keys = rows.column("j0")
    hashes, mask = partition_hashes(keys), np.uint64(partitions - 1)
    by_row = rows.column(ROW).to_numpy().astype(np.uint64) & mask
    placed = np.where(keys.is_null().to_numpy(), by_row, hashes & mask).astype(np.int32)
    keyed = rows.drop_columns(["j0"]).append_column(KEY, keys)
    keyed = keyed.append_column(HASH, pa.array(hashes))
    keyed = keyed.append_column(PARTITION, pa.array(placed))
    order = [(name, "ascending") for name in (KEY, FILE, ROW)]
    for number in range(partitions):
        bare = pa.table({PARTITION: pa.array([number], pa.int32())})
        own = keyed.filter(pa.array(placed == number)).sort_by(order)
        joined = pa.concat_tables([bare, own], promote_options="default")
        yield joined.combine_chunks().to_batches()[0]


def _partitioned(spark: SparkSession, rows: DataFrame, partitions: int) -> DataFrame:
    """Bring every key to its partition in key order, and one bare row to each so that none is empty."""
    mask = F.lit(partitions - 1)
    hashed = F.xxhash64(F.col("j0"))
    placed = F.when(F.col("j0").isNull(), F.col(ROW).bitwiseAND(mask)).otherwise(
        hashed.bitwiseAND(mask)
    )
    keyed = rows.select(
        placed.cast("int").alias(PARTITION),
        F.col("j0").alias(KEY),
        hashed.alias(HASH),
        *(c for c in rows.columns if c.startswith("c")),
        FILE,
        ROW,
    )
    bare = spark.range(partitions).select(F.col("id").cast("int").alias(PARTITION))
    return (
        keyed.unionByName(bare, allowMissingColumns=True)
        .repartitionById(partitions, F.col(PARTITION))
        .sortWithinPartitions(KEY, FILE, ROW)
    )


def _gather(answers: list[dict[str, Any]], key: str, table: str) -> PreparedProfile:
    duplicates = sum(a["duplicates"] for a in answers)
    nulls = sum(a["nulls"] for a in answers)
    if duplicates:
        raise DuplicateKeys(
            f"{duplicates:,} rows of {table} repeat a key ({key}).",
            hint="Remove the repeated rows from the source.",
        )
    if nulls:
        raise NullKeys(
            f"{nulls:,} rows of {table} have no {key}.",
            hint="Every customer needs a key; remove or complete the rows.",
        )
    answers.sort(key=lambda a: int(a["keys"]["partition"]))
    return PreparedProfile(
        keys=[KeyRange(**a["keys"]) for a in answers],
        files=[StoreFile(**a["file"]) for a in answers],
        added={a["keys"]["partition"]: a["added"] for a in answers if a["added"]},
        vanished=sum(a["keys"]["ordinals"] - a["keys"]["alive"] for a in answers),
        counted=[a["columns"] for a in answers],
    )
