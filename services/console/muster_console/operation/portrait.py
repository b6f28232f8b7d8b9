"""The catalog with what was last prepared from it: rows, how new each table is, what it promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import sqlalchemy as sa

from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.freshness import Freshness
from muster_core.catalog.statistic import Statistics
from muster_core.catalog.summary import summarise
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import read_head
from muster_core.storage.store_table import snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePortrait:
    """One table of the catalog; rows and the newest row are None until it is prepared."""

    name: str
    source: str
    columns: int
    personal: int
    time: str | None
    is_profile: bool
    rows: int | None
    #: The time of its newest row, where it has a time column.
    newest: datetime | None
    contract: Freshness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """The catalog in use and its tables, the profile first."""

    catalog: Catalog
    #: The snapshot in use and when it was made; None where nothing has been prepared.
    snapshot: int | None
    prepared_at: datetime | None
    customers: int | None
    tables: list[TablePortrait]


def portray_catalog(workspace: Workspace) -> Portrait:
    """Return the catalog in use with what is known of its data.

    Raises:
        Conflict: none has been applied yet.
        StoreDamaged: the snapshot in use cannot be read.
    """
    with transaction(workspace.database) as connection:
        catalog = required_catalog(connection)
        head = read_head(connection).snapshot
        made = None
        if head is not None:
            made = connection.scalar(
                sa.select(snapshot.c.created_at).where(snapshot.c.id == head.id)
            )
    known, customers = Statistics(), None
    if head is not None:
        manifest = Store.open(workspace.lake, head.manifest, head.manifest_sha256).manifest
        known, customers = read_statistics(workspace.lake, manifest), manifest.customers
    return Portrait(
        catalog=catalog,
        snapshot=None if head is None else head.id,
        prepared_at=made,
        customers=customers,
        tables=[
            _portray(table, catalog, known) for table in (catalog.profile, *catalog.tables.values())
        ],
    )


def _portray(table: Table, catalog: Catalog, known: Statistics) -> TablePortrait:
    columns = next(
        (
            found.columns
            for name, found in (*known.tables.items(), *known.dimensions.items())
            if name.partition("@")[0] == table.name
        ),
        {},
    )
    counted = next(iter(columns.values()), None)
    newest = None
    if table.time is not None and table.time in columns:
        newest = _instant(summarise(table.time, columns[table.time], personal=False).maximum)
    return TablePortrait(
        name=table.name,
        source=str(table.source),
        columns=len(table.columns),
        personal=len(table.personal),
        time=table.time,
        is_profile=table.name == catalog.profile.name,
        rows=None if counted is None else counted.rows,
        newest=newest,
        contract=catalog.contracts.get(table.name),
    )


def _instant(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None
