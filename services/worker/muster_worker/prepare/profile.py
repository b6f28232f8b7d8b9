"""Preparing the profile: which ordinal every customer key has, and one row per ordinal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect import functions as F

from muster_core.catalog.document import Table
from muster_core.errors import DuplicateKeys, NullKeys
from muster_core.lake.location import Lake
from muster_core.lake.manifest import KeyRange, SourceFile, StoreFile
from muster_core.lake.source import Layout
from muster_worker.engine.session import engine_errors
from muster_worker.prepare.interchange import FILE, HASH, KEY, PARTITION, ROW
from muster_worker.prepare.read import read_frame
from muster_worker.prepare.statistic import Counted
from muster_worker.prepare.task.numbering import NumberCustomers


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedProfile:
    """What came back: the key manifest, the files, and the partitions that got new keys."""

    keys: list[KeyRange]
    files: list[StoreFile]
    added: dict[int, int]
    vanished: int
    #: Statistics of the columns, one entry per partition; none for a profile that was taken over.
    counted: list[Counted] = field(default_factory=list)


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
) -> PreparedProfile:
    """Number the customers, known keys as in the parent's files `before`, and write their rows.

    Raises:
        DuplicateKeys: keys repeat; counted over all partitions, nothing is published.
        NullKeys: rows have no key.
    """
    rows = read_frame(spark, table, files, layout, keys=[key], start=0, tasks=partitions)
    task = NumberCustomers(
        lake=lake,
        directory=directory,
        columns=table.columns,
        key=key,
        before={f.partition: f for f in before},
        personal=frozenset(table.personal),
    )
    with engine_errors():
        numbered = rows.transform(lambda frame: _partitioned(spark, frame, partitions))
        answers = numbered.mapInArrow(task, "result string").collect()
    return _gather([json.loads(row["result"]) for row in answers], key, table.name)


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
