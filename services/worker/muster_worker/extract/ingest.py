"""The first step of a preparation: bringing extracted tables up to their PostgreSQL sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.path import paths_to_profile
from muster_core.catalog.reference import dimension_keys
from muster_core.clock import utc_now
from muster_core.extract.address import resolve_address
from muster_core.extract.document import length
from muster_core.extract.listing import ledger_of
from muster_core.lake.location import Lake
from muster_core.telemetry import get_logger
from muster_worker.extract.extraction import Extraction, extract
from muster_worker.extract.signal import Signal

#: Called with what is done, how many of its pieces are, and how many there are.
Progress = Callable[[str, int, int], None]


def due_tables(lake: Lake, catalog: Catalog) -> list[Table]:
    """Return the PostgreSQL tables of a catalog that should be looked at now."""
    referred = dimension_keys(catalog)
    used = [
        catalog.profile,
        *(t for n, t in catalog.tables.items() if n in referred or paths_to_profile(catalog, n)),
    ]
    return [table for table in used if _is_due(lake, table)]


def _is_due(lake: Lake, table: Table) -> bool:
    ledger, source = ledger_of(lake, table), table.source.postgres
    if ledger is None or source is None:
        return False
    head = ledger.head() if source.every is not None else None
    if head is None or source.every is None:
        return True
    # two clocks: what is told as of the future is looked at again
    since = utc_now() - datetime.fromisoformat(head.taken_at).replace(tzinfo=UTC)
    return since < timedelta(0) or since >= length(source.every)


def extract_due(
    lake: Lake,
    catalog: Catalog,
    environ: Mapping[str, str],
    *,
    progress: Progress | None = None,
    stop: Signal | None = None,
) -> dict[str, Extraction]:
    """Extract every table that is due, one after another; the caller holds the lease of preparing.

    Raises:
        MusterError: what `muster_worker.extract.extraction.extract` raises; the tables before it are done.
    """
    found = {}
    for table in due_tables(lake, catalog):
        source = table.source.postgres
        assert source is not None
        name = table.name

        def tell(rows: int, done: int, pieces: int, name: str = name) -> None:
            if progress:
                progress(f"extracting {name}, {rows:,} rows", done, pieces)

        made = extract(
            lake,
            source,
            resolve_address(source.connection, environ),
            table=name,
            columns=table.columns,
            progress=tell,
            stop=stop,
        )
        get_logger().info(
            "source extracted",
            table=name,
            whole=made.whole,
            read_rows=made.read_rows,
            added_rows=made.added_rows,
            dead_rows=made.dead_rows,
            confirmed_pieces=made.confirmed,
            resumed_pieces=made.resumed,
        )
        found[name] = made
    return found
