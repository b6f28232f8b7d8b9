"""Revising prepared tables: few files, few dead rows, exact counts; no source is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from muster_core.errors import DuplicateKeys
from muster_core.lake.location import Lake
from muster_core.lake.manifest import PreparedTable, StoreFile
from muster_core.lake.order import Order
from muster_worker.prepare.numbered import run_numbered
from muster_worker.prepare.statistic import Counted
from muster_worker.prepare.task.revising import Held, ReviseFiles, worth_rewriting

#: Looking at the owners or places of so many rows costs as much as writing one.
PLACE_SHARE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A revised table; `counted` is empty where nothing was to be counted."""

    table: PreparedTable
    counted: list[Counted]
    files_compacted: int = 0
    without_engine: bool = True


def revise(
    spark: SparkSession,
    lake: Lake,
    name: str,
    table: PreparedTable,
    *,
    directory: str,
    order: Order,
    personal: frozenset[str],
    unique: bool,
    profile: Sequence[StoreFile],
    most_files: int,
    killed: bool,
    counted: bool,
    few_rows: int = 0,
) -> Revision:
    """Rewrite the files of partitions that have more than `most_files`, or too many dead rows.

    With `killed` or `counted` every partition is looked at: live rows are counted again, and with `counted`
    what the columns hold. `unique` looks for customers with several rows.
    Up to `few_rows` rows are read by this process, without the engine.

    Raises:
        DuplicateKeys: a customer has several rows of a one-to-one table.
    """
    everywhere = killed or counted or unique
    parts = [p for p in held(table, profile) if everywhere or _is_crowded(p, most_files)]
    if not parts:
        return Revision(table=table, counted=[])
    task = ReviseFiles(
        lake=lake,
        directory=directory,
        columns=table.columns,
        order=order,
        dead=tuple(table.dead_sources),
        personal=personal,
        most_files=most_files,
        counted=counted,
        unique=unique,
        parts=tuple(parts),
    )
    whole = killed or counted
    here = sum(_rows_read(p, most_files, whole=whole, owners=unique) for p in parts) <= few_rows
    answers = run_numbered(spark, task, len(parts), here=here)
    refuse_repeated(name, sum(a["duplicates"] for a in answers))
    answers.sort(key=lambda a: int(a["number"]))
    looked = {p.partition for p in parts}
    files = [f for f in table.files if f.partition not in looked]
    files += [StoreFile(**f) for a in answers for f in a["files"]]
    orphans = [f for f in table.orphans if f.partition not in looked]
    orphans += [StoreFile(**f) for a in answers for f in a["orphans"]]
    update: dict[str, object] = {
        "files": sorted(files, key=lambda f: f.partition),
        "orphans": sorted(orphans, key=lambda f: f.partition),
    }
    if everywhere:
        waiting = sum(a["orphan_rows"] for a in answers)
        update["rows"] = sum(a["rows"] for a in answers) - waiting
        update["orphan_rows"] = waiting
        update["dead_sources"] = sorted({number for a in answers for number in a["dead"]})
    return Revision(
        table=table.model_copy(update=update),
        counted=[a["columns"] for a in answers] if counted else [],
        files_compacted=sum(a["rewritten"] for a in answers),
        without_engine=here,
    )


def refuse_repeated(table: str, repeated: int) -> None:
    """Refuse a one-to-one table some of whose customers have several rows.

    Raises:
        DuplicateKeys: they do.
    """
    if repeated:
        raise DuplicateKeys(
            f"{repeated:,} rows of {table} belong to a customer who has one already; "
            "its relationship is one-to-one.",
            hint="Remove the repeated rows from the source, or make the relationship many_to_one.",
        )


def held(table: PreparedTable, profile: Sequence[StoreFile]) -> list[Held]:
    """Return what every partition holds of a table, in order; those without a file are left out."""
    customers = {f.partition: f.rows for f in profile}
    numbers = sorted({f.partition for f in (*table.files, *table.orphans)})
    return [
        Held(
            partition=number,
            files=tuple(f for f in table.files if f.partition == number),
            orphans=tuple(f for f in table.orphans if f.partition == number),
            customers=customers[number],
        )
        for number in numbers
    ]


def _rows_read(part: Held, most_files: int, *, whole: bool, owners: bool) -> int:
    """Return about how many rows revising a partition reads; those of which only the owner is read count less."""
    rows = sum(f.rows for f in (*part.files, *part.orphans))
    if whole:
        return rows
    rewritten = sum(f.rows for f in _worn(part, most_files))
    if len(part.orphans) > 1:
        rewritten += sum(f.rows for f in part.orphans)
    return rewritten + (rows // PLACE_SHARE if owners else 0)


def _is_crowded(part: Held, most_files: int) -> bool:
    return bool(_worn(part, most_files)) or len(part.orphans) > most_files


def _worn(part: Held, most_files: int) -> list[StoreFile]:
    return worth_rewriting(part.files, {f.path: f.dead_rows for f in part.files}, most_files)
