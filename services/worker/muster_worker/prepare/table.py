"""Preparing a related table: joined along its path, sent to its customers' partitions, newest first."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect import functions as F

from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.path import (
    Path,
    is_one_to_one,
    personal_columns,
    prepared_columns,
    tables_along,
)
from muster_core.errors import TerminalError
from muster_core.lake.location import Lake
from muster_core.lake.manifest import LeftOut, SourceFile, StoreFile
from muster_core.lake.source import Layout
from muster_worker.engine.python_task import PythonTask
from muster_worker.engine.session import engine_errors
from muster_worker.prepare.few import FewRows
from muster_worker.prepare.interchange import (
    FATE,
    FILE,
    KEY,
    ORDINARY,
    PARCELS,
    PARENT_UNKNOWN,
    PARTITION,
    PARTNER,
    ROW,
    WITHOUT_CUSTOMER,
    order_columns,
    position,
)
from muster_worker.prepare.parent import refuse_repeated_keys
from muster_worker.prepare.read import added_layout, checked_layout, read_frame, read_waiting
from muster_worker.prepare.revision import refuse_repeated
from muster_worker.prepare.statistic import Counted
from muster_worker.prepare.task.reading import NOTHING, Waiting
from muster_worker.prepare.task.receiving import WriteParcels
from muster_worker.prepare.task.sending import SendRows
from muster_worker.prepare.task.writing import WriteRows

Listing = dict[str, list[SourceFile]]

#: What so many new rows refer to is made known to every task.
_BROADCAST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFiles:
    """What came back of one table."""

    files: list[StoreFile]
    orphans: list[StoreFile]
    #: Rows that are left out, by number of the source file.
    left_out: dict[int, LeftOut]
    #: Rows that were read from the sources.
    read: int
    #: Statistics of the columns, one entry per partition.
    counted: list[Counted]
    #: Whether this process did the work alone.
    without_engine: bool


def prepare_table(
    spark: SparkSession,
    lake: Lake,
    catalog: Catalog,
    name: str,
    path: Path,
    listing: Listing,
    *,
    directory: str,
    partitions: int,
    profile: Sequence[StoreFile],
    unique: set[tuple[str, str]],
    added: Sequence[SourceFile],
    increment: bool = False,
    waiting: Waiting = NOTHING,
    waiting_rows: int = 0,
    few_rows: int = 0,
    looked_at: Mapping[str, Sequence[SourceFile]],
) -> TableFiles:
    """Write the rows of table `name`, reached by `path`, beside the customers of `profile`.

    Read are the files `added`, which with an `increment` are not all there are, and the rows in the orphan
    files `waiting`. `unique` are the (table, key column) known to repeat no key; those found here are added.
    `looked_at` are the files of tables on the way among which none is repeated. Up to `few_rows` rows are
    prepared by this process, without the engine.

    Raises:
        DuplicateKeys: a table along the path repeats a key that rows refer to, or a customer has several
            rows of a one-to-one table.
        TerminalError: rows were lost or doubled on the way, which must never be published.
    """
    table = catalog.table(name)
    assert table is not None
    layout = (
        added_layout(table, added, listing[name]) if increment else checked_layout(table, added)
    )
    expected = layout.rows + waiting_rows
    columns = prepared_columns(catalog, name, path)
    task = WriteRows(
        lake=lake,
        directory=directory,
        columns=columns,
        time=table.time,
        key=catalog.key,
        profile={f.partition: f for f in profile},
        personal=personal_columns(catalog, name, path),
        unique=is_one_to_one(path),
    )
    few = FewRows(
        lake=lake,
        catalog=catalog,
        table=table,
        path=path,
        listing=listing,
        partitions=partitions,
        unique=unique,
        looked_at=looked_at,
        task=task,
    )
    answers = few.write(added, layout, waiting) if expected <= few_rows else None
    without_engine = answers is not None
    if answers is None:
        answers = _by_engine(
            spark,
            lake,
            catalog,
            table,
            path,
            listing,
            task,
            added=added,
            layout=layout,
            partitions=partitions,
            unique=unique,
            waiting=waiting,
            expected=expected,
            broadcast=increment and expected <= _BROADCAST_ROWS,
        )
    refuse_repeated(name, sum(a["duplicates"] for a in answers))
    files = _gather(answers, layout.rows, without_engine)
    seen = sum(f.rows for f in (*files.files, *files.orphans))
    seen += sum(lost.without_customer + lost.without_time for lost in files.left_out.values())
    if seen != expected:
        raise TerminalError(
            f"The sources of {name} hold {expected:,} rows but {seen:,} came through.",
            hint="Sources must not change while they are read; try again.",
        )
    return files


def _by_engine(
    spark: SparkSession,
    lake: Lake,
    catalog: Catalog,
    table: Table,
    path: Path,
    listing: Listing,
    task: WriteRows,
    *,
    added: Sequence[SourceFile],
    layout: Layout,
    partitions: int,
    unique: set[tuple[str, str]],
    waiting: Waiting,
    expected: int,
    broadcast: bool,
) -> list[dict[str, Any]]:
    """Return the answers of `task` for every partition that `expected` rows went to."""
    order = tuple(order_columns(table))
    passing = f"{task.directory}/passing/{uuid.uuid4().hex}"
    send = SendRows(
        lake=lake, directory=passing, partitions=partitions, first=order[0] if order else None
    )
    direct = len(path) == 1
    try:
        with engine_errors():
            keys = [path[0].child[1]]
            read = partial(read_frame, send=send) if direct else read_frame
            first = read(spark, table, added, layout, keys=keys, start=0, tasks=partitions)
            if waiting.files:
                wait = partial(read_waiting, send=send) if direct else read_waiting
                first = first.unionByName(wait(spark, lake, table, waiting, keys=keys))
            if not direct:
                first = _joined(
                    spark,
                    catalog,
                    first.withColumn(FATE, F.lit(ORDINARY)),
                    path,
                    listing,
                    len(table.columns),
                    partitions,
                    unique,
                    few=broadcast,
                ).mapInArrow(PythonTask(send), PARCELS)
            if not expected:  # but the keys on the way were looked at
                return []
            sent = first.repartitionById(partitions, F.col(PARTITION))
            write = WriteParcels(rows=task, order=order)
            answers = sent.mapInArrow(PythonTask(write), "result string").collect()
            return [json.loads(row["result"]) for row in answers]
    finally:
        # what a task that was given up still writes here is collected as any file that nothing names
        lake.remove([entry.path for entry in lake.entries(passing)], below=passing)
        lake.prune(passing)


def _joined(
    spark: SparkSession,
    catalog: Catalog,
    rows: DataFrame,
    path: Path,
    listing: Listing,
    start: int,
    partitions: int,
    unique: set[tuple[str, str]],
    *,
    few: bool,
) -> DataFrame:
    """Carry the columns of every table along the path; what is unknown on the way becomes an orphan.

    Of the tables on the way of `few` rows only the rows these refer to are shuffled.
    """
    carried = start
    reference = F.col("j0")
    partner = reference
    for hop, table in enumerate(tables_along(catalog, path)):
        target, onward = path[hop].parent[1], path[hop + 1].child[1]
        files = listing[table.name]
        layout = checked_layout(table, files)
        read = partial(read_frame, spark, table, files, layout, start=carried, tasks=partitions)
        if (table.name, target) not in unique:
            _refuse_duplicates(read(keys=[target], only=[target]), table.name, target)
            unique.add((table.name, target))
        parents = read(keys=[target, onward]).drop(FILE, ROW)
        parents = parents.withColumnsRenamed({"j0": f"t{hop}", "j1": f"o{hop}"})
        if few:
            wanted = rows.select(reference.alias("w")).distinct()
            parents = parents.join(F.broadcast(wanted), F.col(f"t{hop}") == F.col("w"), "left_semi")
        rows = rows.join(parents, reference == F.col(f"t{hop}"), "left")
        lost = reference.isNotNull() & F.col(f"t{hop}").isNull()
        # remember what the row refers to: it says in which partition the orphan waits
        partner = F.when(F.col(FATE) == PARENT_UNKNOWN, partner).otherwise(reference)
        rows = rows.withColumn(FATE, F.when(lost, PARENT_UNKNOWN).otherwise(F.col(FATE)))
        reference = F.col(f"o{hop}")
        carried += len(table.columns)
    known = F.col(FATE) == ORDINARY
    missing = known & reference.isNull()
    return rows.select(
        F.when(known, reference).alias(KEY),
        F.coalesce(reference, partner).alias(PARTNER),
        F.when(missing, WITHOUT_CUSTOMER).otherwise(F.col(FATE)).alias(FATE),
        *(position(i) for i in range(carried)),
        FILE,
        ROW,
    )


def _refuse_duplicates(parents: DataFrame, table: str, column: str) -> None:
    repeated = (
        parents.where(F.col("j0").isNotNull())
        .groupBy("j0")
        .count()
        .where(F.col("count") > 1)
        .agg(F.sum(F.col("count") - 1).alias("n"))
        .collect()[0]["n"]
    )
    refuse_repeated_keys(table, column, int(repeated or 0))


def _gather(answers: list[dict[str, Any]], read: int, without_engine: bool) -> TableFiles:
    answers.sort(key=lambda a: int(a["partition"]))
    lost: dict[int, Counter[str]] = {}
    for answer in answers:
        for reason in ("without_customer", "without_time"):
            for number, count in answer[reason].items():
                lost.setdefault(int(number), Counter())[reason] += count
    return TableFiles(
        files=[StoreFile(**a["file"]) for a in answers if a["file"]],
        orphans=[StoreFile(**a["orphans"]) for a in answers if a["orphans"]],
        left_out={number: LeftOut(**lost[number]) for number in sorted(lost)},
        read=read,
        counted=[a["columns"] for a in answers],
        without_engine=without_engine,
    )
