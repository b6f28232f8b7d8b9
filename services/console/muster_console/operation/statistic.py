"""What the columns of a table hold, as it was counted when the snapshot in use was prepared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.catalog.document import Catalog
from muster_core.catalog.personal import personal_along
from muster_core.catalog.statistic import ColumnStatistic, Statistics
from muster_core.catalog.summary import ColumnSummary, summarise
from muster_core.errors import Conflict, NotFound
from muster_core.lake.manifest import SnapshotManifest
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store
from muster_core.spelling import name_hint
from muster_core.storage.database import transaction
from muster_core.storage.snapshot import PublishedSnapshot, read_head


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """A prepared table under its name in the store, ``lines@line/giver`` where several ways lead to it."""

    snapshot: int
    name: str
    columns: list[ColumnSummary]

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return asdict(self)


@over("GET", "/catalog/statistics/{table}", at="items")
def table_statistics(
    workspace: Workspace, table: str, column: str | None = None
) -> list[TableSummary]:
    """Return what is known of a table's columns, or of one: once for every way the table is prepared.

    Raises:
        Conflict: nothing has been prepared yet.
        NotFound: the snapshot in use has no such table or column.
        StoreDamaged: the statistics are missing.
    """
    head, manifest, chosen = _look(workspace, table)
    catalog = manifest.catalog
    summaries = []
    for name, columns in chosen.items():
        personal = personal_along(catalog, name.partition("@")[0])
        names = list(columns) if column is None else [n for n in columns if n == column]
        summaries.append(
            TableSummary(
                snapshot=head.id,
                name=name,
                columns=[summarise(n, columns[n], personal=n in personal) for n in names],
            )
        )
    if not any(summary.columns for summary in summaries):
        known = sorted({name for columns in chosen.values() for name in columns})
        raise _unknown("column", column or "", known)
    return summaries


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFound:
    """One column of a prepared table: where it stands, and what was counted of it."""

    snapshot: int
    #: The snapshot's manifest.
    manifest: str
    manifest_sha256: str
    catalog: Catalog
    #: The table's name in the store; the first of several ways.
    stored: str
    column: str
    statistic: ColumnStatistic
    personal: bool


def find_column(workspace: Workspace, table: str, column: str) -> ColumnFound:
    """Return where a column stands.

    Raises:
        Conflict: nothing has been prepared yet.
        NotFound: the snapshot in use has no such table or column.
    """
    head, manifest, chosen = _look(workspace, table)
    for name, columns in chosen.items():
        if column in columns:
            return ColumnFound(
                snapshot=head.id,
                manifest=head.manifest,
                manifest_sha256=head.manifest_sha256,
                catalog=manifest.catalog,
                stored=name,
                column=column,
                statistic=columns[column],
                personal=column in personal_along(manifest.catalog, name.partition("@")[0]),
            )
    raise _unknown("column", column, sorted({n for columns in chosen.values() for n in columns}))


def _look(
    workspace: Workspace, table: str
) -> tuple[PublishedSnapshot, SnapshotManifest, dict[str, dict[str, ColumnStatistic]]]:
    """Return the snapshot in use, and the columns of every way a table is prepared."""
    with transaction(workspace.database) as connection:
        head = read_head(connection).snapshot
    if head is None:
        raise Conflict(
            "Nothing has been prepared yet.", hint="Refresh a segment; it prepares the data first."
        )
    manifest = Store.open(workspace.lake, head.manifest, head.manifest_sha256).manifest
    entries = _entries(read_statistics(workspace.lake, manifest))
    chosen = {name: known for name, known in entries.items() if name.partition("@")[0] == table}
    if table in entries:
        chosen = {table: entries[table]}
    if not chosen:
        raise _unknown("table", table, list(entries))
    return head, manifest, chosen


def _entries(found: Statistics) -> dict[str, dict[str, ColumnStatistic]]:
    return {name: t.columns for name, t in {**found.tables, **found.dimensions}.items()}


def _unknown(what: str, name: str, known: list[str]) -> NotFound:
    found = f"The prepared data has no {what} `{name}`."
    return NotFound(found, hint=name_hint(name, known, f"It has {', '.join(sorted(known))}."))
