"""One preparation: the next snapshot of the store, from the sources and the snapshot before it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.connect import functions as F

from muster_core.catalog.document import Catalog
from muster_core.catalog.path import personal_columns
from muster_core.catalog.statistic import Statistics, TableStatistic
from muster_core.errors import TerminalError, TransientError
from muster_core.lake.location import Lake
from muster_core.lake.manifest import DimensionTable, PreparedTable, SnapshotManifest
from muster_core.lake.statistic import read_statistics, write_statistics
from muster_core.lake.store import Store, write_snapshot
from muster_worker.engine.session import engine_errors
from muster_worker.prepare.budget import FEW_ROWS
from muster_worker.prepare.change import Present, is_unchanged, look
from muster_worker.prepare.dimension import prepare_dimensions
from muster_worker.prepare.profile import PreparedProfile, prepare_profile
from muster_worker.prepare.read import checked_layout
from muster_worker.prepare.related import RelatedTables, RelatedWork
from muster_worker.prepare.statistic import hidden, merged

#: About as many customers as one partition should hold.
PARTITION_CUSTOMERS = 250_000

#: So many files of a table a partition may have, unless the settings say otherwise.
MOST_FILES = 16

#: Called with what is being prepared, how many tables are done, and how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A finished preparation, not yet published; `unchanged` means it is the parent itself."""

    manifest_path: str
    sha256: str
    manifest: SnapshotManifest
    unchanged: bool
    report: dict[str, Any]


def prepare(
    spark: SparkSession,
    lake: Lake,
    catalog: Catalog,
    *,
    parent: tuple[str, str] | None,
    partitions: int | None = None,
    progress: Progress | None = None,
    directory: str | None = None,
    most_files: int = MOST_FILES,
    few_rows: int = FEW_ROWS,
) -> Preparation:
    """Prepare the sources of `catalog` on top of the snapshot `parent` (manifest path and SHA-256).

    Where a partition has more than `most_files` files of a table, some are rewritten as one.
    On top of a snapshot, whatever takes no more than `few_rows` rows is done by this process (0: nothing).
    Files go to `directory` under names of their own; the manifest, written last, names those that count.

    Raises:
        SourceMissing: a source has gone.
        SourceUnreadable: a source is damaged or no longer fits the catalog.
        DuplicateKeys: customers or parents repeat keys.
        NullKeys: customers have no key.
        TransientError: the engine failed, the disk is full, or a source changed while it was read.
    """
    present = look(catalog, lake)
    before = Store.open(lake, *parent).manifest if parent else None
    if parent and before and is_unchanged(catalog, present, before):
        return Preparation(
            manifest_path=parent[0], sha256=parent[1], manifest=before, unchanged=True, report={}
        )
    work = _Work(
        spark=spark,
        lake=lake,
        catalog=catalog,
        present=present,
        before=before if before and _continues(before, catalog) else None,
        directory=directory or f"store/{uuid.uuid4().hex}",
        progress=progress or (lambda *_: None),
        most_files=most_files,
        few_rows=few_rows if before else 0,
    )
    generation = 1 if before is None else before.generation + (0 if work.before else 1)
    count = work.before.partitions if work.before else _partition_count(work, partitions)
    manifest, report = work.run(generation, count, parent[0] if parent else None)
    path, sha256 = write_snapshot(lake, work.directory, manifest)
    return Preparation(
        manifest_path=path, sha256=sha256, manifest=manifest, unchanged=False, report=report
    )


def _continues(before: SnapshotManifest, catalog: Catalog) -> bool:
    """Whether the customers are still told apart by the same key, so that ordinals stay."""
    known, now = before.catalog, catalog
    return (known.key, known.profile.name, known.profile.columns.get(known.key)) == (
        now.key,
        now.profile.name,
        now.profile.columns.get(now.key),
    )


def _partition_count(work: _Work, asked: int | None) -> int:
    """Return a power of two: as asked, else twice the cores and enough for the customers."""
    if asked is not None:
        if asked < 1 or asked & (asked - 1):
            raise TerminalError(
                f"{asked} is no power of two.", hint="Set MUSTER_PARTITIONS to 1, 2, 4, 8, ..."
            )
        return asked
    profile = work.catalog.profile
    customers = checked_layout(profile, work.present.listing[profile.name]).rows
    with engine_errors():
        cores = work.spark.range(1 << 16).select(F.spark_partition_id()).distinct().count()
    wanted = max(2 * cores, -(-customers // PARTITION_CUSTOMERS))
    return 1 << (wanted - 1).bit_length()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the steps of one preparation share."""

    spark: SparkSession
    lake: Lake
    catalog: Catalog
    present: Present
    before: SnapshotManifest | None
    directory: str
    progress: Progress
    most_files: int
    few_rows: int
    #: (table, key column) found to repeat no key: each is looked at once, on however many ways it lies.
    unique: set[tuple[str, str]] = field(default_factory=set)

    def run(
        self, generation: int, partitions: int, parent: str | None
    ) -> tuple[SnapshotManifest, dict[str, Any]]:
        """Prepare the profile, dimensions and tables in this order; return manifest and report."""
        started = time.monotonic()
        self._configure(partitions)
        counted: dict[str, TableStatistic] = {}
        report: dict[str, Any] = {"partitions": partitions}
        self.progress(self.catalog.profile.name, 0, self._stages)
        profile = self._profile(partitions, counted, report)
        # before the tables: they are the longer work, which a repeated key would waste
        dimensions, looked_up = self._dimensions(report)
        related = self._tables(partitions, profile)
        counted |= related.counted
        report["tables"] = related.report
        if look(self.catalog, self.lake) != self.present:
            raise TransientError("A source changed while it was read; it will be read again.")
        self.progress("prepared", self._stages, self._stages)
        report["seconds"] = round(time.monotonic() - started, 3)
        statistics = write_statistics(
            self.lake, self.directory, self._statistics(counted, looked_up)
        )
        manifest = self._manifest(generation, partitions, parent, profile, related.tables)
        added = {"dimensions": dimensions, "statistics": statistics}
        return manifest.model_copy(update=added), report

    @property
    def _stages(self) -> int:
        return 1 + len(self.present.parts) + bool(self.present.dimensions)

    def _configure(self, partitions: int) -> None:
        with engine_errors():
            self.spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "65536")
            self.spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
            # Spark takes what a task reads for as small as the list of files it reads, and would send
            # whole parent tables through the driver to every task
            self.spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
            self.spark.conf.set("spark.sql.adaptive.autoBroadcastJoinThreshold", "-1")

    def _manifest(
        self,
        generation: int,
        partitions: int,
        parent: str | None,
        profile: PreparedProfile,
        tables: dict[str, PreparedTable],
    ) -> SnapshotManifest:
        return SnapshotManifest(
            generation=generation,
            partitions=partitions,
            parent=parent,
            catalog=self.catalog,
            fingerprint=self.present.profile,
            sources=self.present.listing[self.catalog.profile.name],
            keys=profile.keys,
            columns=self.catalog.profile.columns,
            profile=profile.files,
            tables={name: tables[name] for name in self.present.parts},
        )

    def _profile(
        self, partitions: int, counted: dict[str, TableStatistic], report: dict[str, Any]
    ) -> PreparedProfile:
        began = time.monotonic()
        before, table = self.before, self.catalog.profile
        taken_over = before is not None and before.fingerprint == self.present.profile
        if before is not None and taken_over:
            gone = sum(k.ordinals - k.alive for k in before.keys)
            profile = PreparedProfile(
                keys=before.keys, files=before.profile, added={}, vanished=gone
            )
        else:
            files = self.present.listing[table.name]
            profile = prepare_profile(
                self.spark,
                self.lake,
                table,
                self.catalog.key,
                files,
                checked_layout(table, files),
                directory=self.directory,
                partitions=partitions,
                before=before.profile if before else [],
                few_rows=self.few_rows,
            )
            counted[table.name] = merged(table.columns, profile.counted, table.personal)
        report["customers"] = {
            "alive": sum(k.alive for k in profile.keys),
            "added": sum(profile.added.values()),
            "gone": profile.vanished,
            "taken_over": taken_over,
            "without_engine": profile.without_engine,
            "seconds": round(time.monotonic() - began, 3),
        }
        return profile

    def _tables(self, partitions: int, profile: PreparedProfile) -> RelatedTables:
        parts = list(self.present.parts)
        return RelatedWork(
            spark=self.spark,
            lake=self.lake,
            catalog=self.catalog,
            present=self.present,
            before=self.before,
            known_statistics=self._known_statistics().tables,
            directory=self.directory,
            partitions=partitions,
            profile=profile,
            most_files=self.most_files,
            few_rows=self.few_rows,
            unique=self.unique,
            begins=lambda name: self.progress(
                name, self._stages - len(parts) + parts.index(name), self._stages
            ),
        ).run()

    def _dimensions(
        self, report: dict[str, Any]
    ) -> tuple[dict[str, DimensionTable], dict[str, TableStatistic]]:
        """Return all dimensions, those whose sources are as they were taken over, and new statistics."""
        if self.present.dimensions:
            self.progress("dimensions", 1, self._stages)
        began = time.monotonic()
        known = self.before.dimensions if self.before else {}
        wanted = self.present.dimensions
        same = {
            name: known[name]
            for name, entry in wanted.items()
            if name in known and known[name].fingerprint == entry.fingerprint
        }
        made = prepare_dimensions(
            self.spark,
            self.lake,
            [entry for name, entry in wanted.items() if name not in same],
            self.present.listing,
            directory=self.directory,
            few_rows=self.few_rows,
        )
        found = {name: same[name] if name in same else made[name][0] for name in wanted}
        self.unique.update((name, key) for name, entry in wanted.items() for key in entry.keys)
        report["dimensions"] = {
            name: {
                "rows": table.rows,
                "without_key": table.rows_without_key,
                "taken_over": name in same,
            }
            for name, table in found.items()
        }
        report["dimension_seconds"] = round(time.monotonic() - began, 3)
        counted = {
            name: merged(wanted[name].table.columns, [columns], wanted[name].table.personal)
            for name, (_, columns) in made.items()
        }
        return found, counted

    def _known_statistics(self) -> Statistics:
        return read_statistics(self.lake, self.before) if self.before else Statistics()

    def _statistics(
        self, tables: dict[str, TableStatistic], dimensions: dict[str, TableStatistic]
    ) -> Statistics:
        """Return new statistics beside those of what was taken over."""
        known = self._known_statistics()
        personal = {self.catalog.profile.name: frozenset(self.catalog.profile.personal)} | {
            name: personal_columns(self.catalog, part.table, part.path)
            for name, part in self.present.parts.items()
        }
        looked_up = {
            name: frozenset(entry.table.personal) for name, entry in self.present.dimensions.items()
        }
        return Statistics(
            tables=_beside(tables, known.tables, personal),
            dimensions=_beside(dimensions, known.dimensions, looked_up),
        )


def _beside(
    made: dict[str, TableStatistic],
    known: dict[str, TableStatistic],
    personal: dict[str, frozenset[str]],
) -> dict[str, TableStatistic]:
    """Return what is known of the tables in `personal`, which gives the columns whose values are not kept."""
    found = known | made
    return {
        name: hidden(found[name], columns) for name, columns in personal.items() if name in found
    }
