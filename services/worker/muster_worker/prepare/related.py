"""Preparing all related tables: taken over, by increments, or whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from muster_core.catalog.document import Catalog
from muster_core.catalog.path import (
    is_one_to_one,
    personal_columns,
    prepared_columns,
    tables_along,
)
from muster_core.catalog.statistic import TableStatistic
from muster_core.lake.location import Lake
from muster_core.lake.manifest import LeftOut, PreparedTable, SnapshotManifest, SourceFile
from muster_core.lake.order import Order
from muster_worker.prepare.change import Part, Present, shape
from muster_worker.prepare.difference import Difference, difference
from muster_worker.prepare.killing import Killed, kill_rows
from muster_worker.prepare.number import identity
from muster_worker.prepare.orphan import resolve_orphans
from muster_worker.prepare.profile import PreparedProfile
from muster_worker.prepare.read import checked_layout
from muster_worker.prepare.revision import Revision, revise
from muster_worker.prepare.statistic import merged, reduced
from muster_worker.prepare.table import TableFiles, prepare_table
from muster_worker.prepare.task.reading import NOTHING, Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedTables:
    """What comes of the related tables; `counted` has the statistics that are new."""

    tables: dict[str, PreparedTable]
    counted: dict[str, TableStatistic]
    report: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedWork:
    """What preparing the related tables needs."""

    spark: SparkSession
    lake: Lake
    catalog: Catalog
    present: Present
    before: SnapshotManifest | None
    known_statistics: Mapping[str, TableStatistic]
    directory: str
    partitions: int
    profile: PreparedProfile
    most_files: int
    #: So many rows are prepared by this process; 0: everything by the engine.
    few_rows: int
    #: (table, key column) found to repeat no key: each is looked at once, on however many ways it lies.
    unique: set[tuple[str, str]]
    #: Called with the name of each table before work on it begins.
    begins: Callable[[str], None]
    _counted: dict[str, TableStatistic] = field(default_factory=dict)
    _report: dict[str, Any] = field(default_factory=dict)
    #: Tables for which the engine was needed.
    _by_engine: set[str] = field(default_factory=set)
    #: What rows that died one by one held, of the tables that had such.
    _gone: dict[str, Killed] = field(default_factory=dict)

    def run(self) -> RelatedTables:
        """Prepare every related table.

        Raises:
            DuplicateKeys: a table on the way repeats a key, or a customer has two rows of a one-to-one table.
            TerminalError: rows were lost or doubled on the way.
        """
        known = dict(self.before.tables) if self.before else {}
        different = {
            name: self._difference(part, known.get(name))
            for name, part in self.present.parts.items()
            if name not in known or known[name].fingerprint != part.fingerprint
        }
        held = self._resolved(known, different)
        tables = {}
        for name, part in self.present.parts.items():
            self.begins(name)
            began = time.monotonic()
            found = different.get(name)
            if found is None:
                tables[name] = self._taken_over(part, held[name])
            elif found.whole is not None:
                tables[name] = self._whole(part, found)
            else:
                tables[name] = self._increment(part, held[name], found)
            taken = time.monotonic() - began if tables[name] is not held.get(name) else 0.0
            self._report[name] |= {
                "without_engine": name not in self._by_engine,
                "seconds": round(taken, 3),
            }
        return RelatedTables(tables=tables, counted=self._counted, report=self._report)

    def _difference(self, part: Part, known: PreparedTable | None) -> Difference:
        before = shape(self.before.catalog, part.name) if self.before else None
        return difference(
            known,
            self.present.listing[part.table],
            self._parents(part),
            same_shape=before == shape(self.catalog, part.name),
        )

    def _parents(self, part: Part) -> dict[str, list[SourceFile]]:
        return {
            table.name: self.present.listing[table.name]
            for table in tables_along(self.catalog, part.path)
        }

    def _resolved(
        self, known: dict[str, PreparedTable], different: Mapping[str, Difference]
    ) -> dict[str, PreparedTable]:
        """Return the tables that are kept, without rows of sources that are gone; orphans find new customers."""
        kept = {}
        for name in self.present.parts:
            found = different.get(name)
            if found is None:
                kept[name] = known[name]
            elif found.whole is None:
                dead = sorted({*known[name].dead_sources, *found.killed})
                kept[name] = known[name].model_copy(update={"dead_sources": dead})
                if found.died:
                    kept[name] = self._killed(self.present.parts[name], kept[name], found)
        resolved, by_engine = resolve_orphans(
            self.spark,
            self.lake,
            kept,
            directory=self.directory,
            key=self.catalog.key,
            added=set(self.profile.added),
            profile=self.profile.files,
            few_rows=self.few_rows,
        )
        self._by_engine.update(by_engine)
        return resolved

    def _killed(self, part: Part, table: PreparedTable, found: Difference) -> PreparedTable:
        """Return the table without rows of kept files that died one by one."""
        killed = kill_rows(
            self.spark,
            self.lake,
            self.catalog.tables[part.table],
            table,
            found.died,
            directory=self.directory,
            personal=personal_columns(self.catalog, part.table, part.path),
            profile=self.profile.files,
            few_rows=self.few_rows,
        )
        if not killed.without_engine:
            self._by_engine.add(part.name)
        self._gone[part.name] = killed
        return killed.table

    def _taken_over(self, part: Part, table: PreparedTable) -> PreparedTable:
        assert self.before is not None
        if table is not self.before.tables[part.name]:  # rows that waited became files of their own
            table = self._revised(part, table, killed=False, counted=False).table
        self._report[part.name] = _account(table, taken_over=True)
        return table

    def _whole(self, part: Part, found: Difference) -> PreparedTable:
        files = self._files(part, found.sources)
        table = self._described(
            part,
            found,
            PreparedTable(
                columns=prepared_columns(self.catalog, part.table, part.path),
                fingerprint=part.fingerprint,
                sources=found.sources,
                files=files.files,
                orphans=files.orphans,
                rows=sum(f.rows for f in files.files),
                orphan_rows=sum(f.rows for f in files.orphans),
            ),
            files.left_out,
        )
        personal = personal_columns(self.catalog, part.table, part.path)
        self._counted[part.name] = merged(table.columns, files.counted, personal)
        self._report[part.name] = _account(table) | _said(found, files.read)
        return table

    def _increment(self, part: Part, table: PreparedTable, found: Difference) -> PreparedTable:
        """Read what was added, and rows that wait for what the tables on the way gained; nothing else."""
        if found.killed:  # what is left has to have the catalog's columns by itself
            checked_layout(self.catalog.tables[part.table], found.sources)
        self._keep_unique(part, table)
        waiting = NOTHING
        if found.gained and table.orphans:
            if found.killed:  # how many rows wait is known only once the dead ones are out
                table = self._revised(part, table, killed=True, counted=False).table
            waiting = Waiting(files=tuple(table.orphans), dead=tuple(table.dead_sources))
        files = None
        if found.added or found.gained:
            files = self._files(part, found.added, table, waiting)
            table = _with_files(table, files, replaced=bool(waiting.files))
        left = {n: lost for n, lost in (table.left_out or {}).items() if n not in found.killed}
        table = self._described(part, found, table, _sum(left, files.left_out if files else {}))
        # counts cannot be taken back where files went or rows were completed
        statistics = None
        if not (found.killed or waiting.files):
            statistics = self._statistics(part, table, files)
        recount = statistics is None
        revision = self._revised(part, table, killed=bool(found.killed), counted=recount)
        if statistics is None:
            personal = personal_columns(self.catalog, part.table, part.path)
            statistics = merged(table.columns, revision.counted, personal)
        self._counted[part.name] = statistics
        self._report[part.name] = _account(revision.table) | _said(
            found, files.read if files else 0
        )
        self._report[part.name]["files_compacted"] = revision.files_compacted
        gone = self._gone.get(part.name)
        self._report[part.name]["rows_died"] = gone.rows if gone else 0
        return revision.table

    def _statistics(
        self, part: Part, table: PreparedTable, files: TableFiles | None
    ) -> TableStatistic | None:
        """Return what is known of the columns without rows that died and with those of `files`; None: nothing."""
        known, gone = self.known_statistics.get(part.name), self._gone.get(part.name)
        if known is None:
            return None
        more = files.counted if files else []
        personal = personal_columns(self.catalog, part.table, part.path)
        if gone is not None:
            return reduced(table.columns, known, gone.counted, more, personal)
        before = {name: column.model_dump() for name, column in known.columns.items()}
        return merged(table.columns, [before, *more], personal)

    def _keep_unique(self, part: Part, table: PreparedTable) -> None:
        """Note the keys on the way that were looked at when the table was prepared and are as they were."""
        for hop, (name, files) in enumerate(self._parents(part).items()):
            before = (table.parents or {}).get(name, [])
            if {identity(f) for f in before} == {identity(f) for f in files}:
                self.unique.add((name, part.path[hop].parent[1]))

    def _files(
        self,
        part: Part,
        sources: list[SourceFile],
        known: PreparedTable | None = None,
        waiting: Waiting = NOTHING,
    ) -> TableFiles:
        files = prepare_table(
            self.spark,
            self.lake,
            self.catalog,
            part.table,
            part.path,
            self.present.listing,
            directory=self.directory,
            partitions=self.partitions,
            profile=self.profile.files,
            unique=self.unique,
            added=sources,
            increment=known is not None,
            waiting=waiting,
            waiting_rows=known.orphan_rows if known and waiting.files else 0,
            few_rows=self.few_rows,
            looked_at=(known and known.parents) or {},
        )
        if not files.without_engine:
            self._by_engine.add(part.name)
        return files

    def _described(
        self, part: Part, found: Difference, table: PreparedTable, left_out: dict[int, LeftOut]
    ) -> PreparedTable:
        return table.model_copy(
            update={
                "fingerprint": part.fingerprint,
                "sources": found.sources,
                "parents": self._parents(part),
                "left_out": left_out,
                "rows_without_customer": sum(n.without_customer for n in left_out.values()),
                "rows_without_time": sum(n.without_time for n in left_out.values()),
            }
        )

    def _revised(
        self, part: Part, table: PreparedTable, *, killed: bool, counted: bool
    ) -> Revision:
        known = self.catalog.tables[part.table]
        revision = revise(
            self.spark,
            self.lake,
            part.table,
            table,
            directory=self.directory,
            order=Order.of(known),
            personal=personal_columns(self.catalog, part.table, part.path),
            unique=is_one_to_one(part.path),
            profile=self.profile.files,
            most_files=self.most_files,
            killed=killed,
            counted=counted,
            few_rows=self.few_rows,
        )
        if not revision.without_engine:
            self._by_engine.add(part.name)
        return revision


def _with_files(table: PreparedTable, files: TableFiles, *, replaced: bool) -> PreparedTable:
    """Return the table with further files; `replaced` if what waited is among them."""
    waiting = [] if replaced else table.orphans
    waited = 0 if replaced else table.orphan_rows
    return table.model_copy(
        update={
            "files": sorted([*table.files, *files.files], key=lambda f: f.partition),
            "orphans": sorted([*waiting, *files.orphans], key=lambda f: f.partition),
            "rows": table.rows + sum(f.rows for f in files.files),
            "orphan_rows": waited + sum(f.rows for f in files.orphans),
        }
    )


def _sum(left: Mapping[int, LeftOut], more: Mapping[int, LeftOut]) -> dict[int, LeftOut]:
    found = dict(left)
    for number, lost in more.items():
        known = found.get(number, LeftOut())
        found[number] = LeftOut(
            without_customer=known.without_customer + lost.without_customer,
            without_time=known.without_time + lost.without_time,
        )
    return dict(sorted(found.items()))


def _account(table: PreparedTable, *, taken_over: bool = False) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "orphans": table.orphan_rows,
        "without_customer": table.rows_without_customer,
        "without_time": table.rows_without_time,
        "taken_over": taken_over,
    }


def _said(found: Difference, read: int) -> dict[str, Any]:
    """Return what was done about a difference, and why nothing less."""
    return {
        "rows_read": read,
        "files_added": found.files_added,
        "files_rewritten": found.files_rewritten,
        "files_removed": found.files_removed,
        "whole": found.whole,
    }
