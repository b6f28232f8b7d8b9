"""Rows that changed or went at a source that tells them one by one: dead bits in the prepared files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from muster_core.catalog.document import Table
from muster_core.errors import TerminalError
from muster_core.lake.dead import DeadRows
from muster_core.lake.location import Lake
from muster_core.lake.manifest import LeftOut, PreparedTable, StoreFile
from muster_worker.prepare.numbered import run_numbered
from muster_worker.prepare.read import reader_of
from muster_worker.prepare.revision import PLACE_SHARE, held
from muster_worker.prepare.statistic import Counted
from muster_worker.prepare.task.killing import Died, KillRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A table without rows that died; `counted` is what they held, one entry per partition."""

    table: PreparedTable
    counted: list[Counted]
    rows: int
    without_engine: bool


def kill_rows(
    spark: SparkSession,
    lake: Lake,
    known: Table,
    table: PreparedTable,
    died: Sequence[Died],
    *,
    directory: str,
    personal: frozenset[str],
    profile: Sequence[StoreFile],
    few_rows: int,
) -> Killed:
    """Mark the rows that `died` in every file of the prepared `table`; of those left out, count fewer.

    Files whose rows are looked through as fast as `few_rows` are written are so by this process.

    Raises:
        SourceUnreadable: what is told of dead rows is damaged.
        TerminalError: more rows died than the table ever had.
    """
    parts = held(table, profile)
    task = KillRows(
        lake=lake,
        directory=directory,
        columns=table.columns,
        personal=personal,
        died=tuple(died),
        parts=tuple(parts),
    )
    rows = sum(f.rows for f in (*table.files, *table.orphans))
    here = rows <= few_rows * PLACE_SHARE
    answers = run_numbered(spark, task, len(parts), here=here) if parts else []
    answers.sort(key=lambda a: int(a["number"]))
    found: Counter[int] = Counter()
    for answer in answers:
        found.update({int(number): count for number, count in answer["found"].items()})
    left_out = dict(table.left_out or {})
    for entry in died:
        left_out[entry.number] = _still_left_out(
            known, entry, left_out.get(entry.number, LeftOut()), found[entry.number]
        )
    update: dict[str, object] = {
        "files": [StoreFile(**f) for a in answers for f in a["files"]],
        "orphans": [StoreFile(**f) for a in answers for f in a["orphans"]],
        "rows": table.rows - sum(a["rows"] for a in answers),
        "orphan_rows": table.orphan_rows - sum(a["orphan_rows"] for a in answers),
        "left_out": left_out,
    }
    return Killed(
        table=table.model_copy(update=update),
        counted=[a["columns"] for a in answers],
        rows=sum(d.rows for d in died),
        without_engine=here,
    )


def _still_left_out(known: Table, died: Died, before: LeftOut, found: int) -> LeftOut:
    """Return the rows of a source file that are still left out, of which `found` that died stand in the store."""
    rest = died.rows - found
    still = before
    if rest:
        without_time = _timeless(known, died)
        others = rest - (before.without_time - without_time)
        still = LeftOut(
            without_customer=before.without_customer - others, without_time=without_time
        )
        rest = min(rest, others, still.without_customer, before.without_time - without_time)
    if rest < 0:
        raise TerminalError(
            f"Rows of {known.name} are said to have gone that the store never had.",
            hint="Its extracted files are not those the store was prepared from; report this.",
        )
    return still


def _timeless(known: Table, died: Died) -> int:
    """Return how many rows of a source file that are there have no time: all of them are left out for that."""
    if known.time is None:
        return 0
    dead, first, found = DeadRows(died.dead), 0, 0
    for batch in reader_of(known, [known.time]).read(died.path):
        found += dead.living(batch, first).column(0).null_count
        first += batch.num_rows
    return found
