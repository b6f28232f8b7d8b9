"""Holds the tables of a snapshot against their freshness contracts, and sorts out the runs that read bad ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from muster_core.catalog.document import Catalog
from muster_core.catalog.freshness import Freshness
from muster_core.catalog.path import paths_to_profile, prepared_name, tables_along
from muster_core.catalog.statistic import ColumnStatistic, Statistics
from muster_core.errors import InputNotFresh
from muster_core.kernel.plan import Plan, PlannedSegment, compile_plan
from muster_core.lake.location import Lake
from muster_core.lake.manifest import Pointer, SnapshotManifest, SourceFile
from muster_core.lake.statistic import read_statistics
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.reference import references_of
from muster_core.runs.freshness import NotFresh
from muster_core.runs.input import Inputs
from muster_core.runs.state import Reason
from muster_core.storage.claim import ClaimedRun
from muster_worker.evaluate.reference import References, Skipped

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What a contract is held against."""

    rows: int
    #: When the newest row happened, or the newest file was written; None where nothing says so.
    newest: datetime | None


def broken_contracts(
    lake: Lake, manifest: SnapshotManifest, as_of: datetime
) -> dict[str, InputNotFresh]:
    """Return the tables of the snapshot that do not keep their contract at `as_of`, and how."""
    contracts = manifest.catalog.contracts
    if not contracts:
        return {}
    statistics = read_statistics(lake, manifest)
    found = {}
    for name, contract in contracts.items():
        fault = _fault(contract, _facts(manifest, statistics, name), as_of)
        if fault is not None:
            found[name] = InputNotFresh(
                f"The table {name} {fault}.",
                hint="See to its source, or change `freshness` in the catalog; the last members stay.",
            )
    return found


def leave_out_unfit(
    runs: Sequence[ClaimedRun],
    broken: Mapping[str, InputNotFresh],
    catalog: Catalog,
    references: References,
    as_of: datetime,
    *,
    measures: Mapping[str, MeasureDocument],
    limits: Limits = DEFAULT_LIMITS,
) -> list[ClaimedRun]:
    """Return the runs that read no table in `broken`; `references` is told of the others, which end skipped."""
    if not broken:
        return list(runs)
    fit = []
    for run in runs:
        bad = sorted(broken.keys() & tables_read(run, catalog, as_of, measures, limits))
        if bad:
            references.lost[run.name] = NotFresh.SKIPPED
            references.skipped.append(
                Skipped(
                    run=run,
                    reason=Reason.INPUT_NOT_FRESH,
                    error=broken[bad[0]],
                    inputs=Inputs(segments=(), measures=()),
                )
            )
        else:
            fit.append(run)
    return fit


def tables_read(
    run: ClaimedRun,
    catalog: Catalog,
    as_of: datetime,
    measures: Mapping[str, MeasureDocument],
    limits: Limits,
) -> set[str]:
    """Return every table whose rows decide who is a member: the profile always does.

    Tables behind a segment it refers to are not among them: the reference's policy speaks of those.
    """
    planned = PlannedSegment(segment_id=run.segment_id, document=run.document, previous=None)
    anywhere = Pointer(manifest="", manifest_sha256="", bit=0)
    plan = compile_plan(
        [planned],
        catalog,
        as_of,
        stored=dict.fromkeys(references_of(run.document), anywhere),
        measures=measures,
        limits=limits,
    )
    return {catalog.profile.name} | _tables_of(plan, catalog)


def _tables_of(plan: Plan, catalog: Catalog) -> set[str]:
    known = {
        prepared_name(catalog, name, path): {name, *(t.name for t in tables_along(catalog, path))}
        for name in catalog.tables
        for path in paths_to_profile(catalog, name)
    }
    found: set[str] = set()
    for name, table in plan.tables.items():
        found |= known.get(name, {name})
        found |= {look.table for column in table.gathered.values() for look in column.lookups}
    return found | {look.table for column in plan.gathered.values() for look in column.lookups}


def _fault(contract: Freshness, facts: TableFacts, as_of: datetime) -> str | None:
    if contract.min_rows is not None and facts.rows < contract.min_rows:
        return f"has {facts.rows:,} rows, at least {contract.min_rows:,} are expected"
    if contract.longest is None:
        return None
    if facts.newest is None:
        return f"has no row with a time, and must not be older than {contract.max_age}"
    if as_of - facts.newest > contract.longest:
        newest = facts.newest.isoformat(sep=" ", timespec="seconds")
        return f"ends at {newest}, and must not be older than {contract.max_age}"
    return None


def _facts(manifest: SnapshotManifest, statistics: Statistics, name: str) -> TableFacts:
    catalog = manifest.catalog
    table = catalog.table(name)
    time = None if table is None else table.time
    if name == catalog.profile.name:
        return TableFacts(rows=manifest.customers, newest=_written(manifest.sources))
    if name in manifest.dimensions:
        dimension = manifest.dimensions[name]
        column = statistics.dimension(name, time) if time else None
        newest = _instant(column) if time else _written(dimension.sources)
        return TableFacts(rows=dimension.rows, newest=newest)
    prepared = [part for part in manifest.tables if part.partition("@")[0] == name]
    if not prepared:
        return TableFacts(rows=0, newest=None)
    # rows whose customer is not known yet have arrived as well
    rows = max(manifest.tables[p].rows + manifest.tables[p].orphan_rows for p in prepared)
    if time is None:
        return TableFacts(rows=rows, newest=_written(manifest.tables[prepared[0]].sources))
    times = [_instant(statistics.column(part, time)) for part in prepared]
    return TableFacts(rows=rows, newest=max((t for t in times if t is not None), default=None))


def _instant(column: ColumnStatistic | None) -> datetime | None:
    if column is None or column.maximum is None:
        return None
    if column.kind == "date":
        # a day has ended when the next one begins
        return _EPOCH + timedelta(days=int(column.maximum) + 1)
    return _EPOCH + int(column.maximum) * _MICROSECOND


def _written(sources: Sequence[SourceFile]) -> datetime | None:
    """Return when the newest file was written; None where no source says so."""
    # in an object store the etag follows, and an extracted file has a checksum alone
    marks = [file.etag.partition("-")[0] for file in sources]
    times = [int(mark) for mark in marks if mark.isdigit()]
    return _EPOCH + timedelta(microseconds=max(times) // 1_000) if times else None
