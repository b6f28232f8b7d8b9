"""Who uses a column: what would break if its table no longer had it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from muster_core.catalog.document import Catalog, Table
from muster_core.rules.check import Known, check_folder, check_measures
from muster_core.rules.document import SegmentDocument
from muster_core.rules.limit import Limits
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.reference import references_of
from muster_core.storage.export import list_exports
from muster_core.storage.measure import list_measures
from muster_core.storage.segment import list_segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Everything that may use columns: segments in use, measures, and the columns of exports."""

    segments: Sequence[SegmentDocument] = ()
    measures: Sequence[MeasureDocument] = ()
    #: Name of an export and the columns it delivers, of the profile or computed by its segments.
    exports: Sequence[tuple[str, frozenset[str]]] = ()
    limits: Limits

    @classmethod
    def read(cls, connection: Connection, limits: Limits) -> Users:
        """Read what is saved."""
        segments = [r for r in list_segments(connection) if r.state == "active"]
        return cls(
            segments=[r.document for r in segments if r.document is not None],
            measures=[r.document for r in list_measures(connection) if r.document is not None],
            exports=[
                (stored.name, frozenset(column.column for column in stored.document.columns))
                for stored in list_exports(connection)
            ],
            limits=limits,
        )

    def of(self, catalog: Catalog, table: str, column: str) -> list[str]:
        """Return who uses a column, as in ``segment big`` or ``the key of the profile``."""
        built_in = _catalog_uses(catalog, table, column)
        if built_in:
            return built_in
        without = without_column(catalog, table, column)
        broken = self._broken(without)
        used = sorted(broken - self._broken(catalog)) if broken else []
        if table == catalog.profile.name:
            used += [f"export {name}" for name, columns in self.exports if column in columns]
        return used

    def _broken(self, catalog: Catalog) -> set[str]:
        known = Known(
            segments={document.name: references_of(document) for document in self.segments},
            measures={document.name: document for document in self.measures},
        )
        wrong = check_folder(self.segments, catalog, limits=self.limits, known=known)
        broken = {
            f"segment {document.name}"
            for document, problems in zip(self.segments, wrong, strict=True)
            if problems
        }
        return broken | {
            f"measure {document.name}"
            for document in self.measures
            if check_measures([document], catalog, limits=self.limits)
        }


def without_column(catalog: Catalog, table: str, column: str) -> Catalog:
    """Return the catalog as it is once a table no longer has a column."""
    known = catalog.table(table)
    assert known is not None
    columns = {name: kind for name, kind in known.columns.items() if name != column}
    return with_table(catalog, known.model_copy(update={"columns": columns}))


def with_table(catalog: Catalog, table: Table) -> Catalog:
    """Return the catalog with `table` in place of the one of its name."""
    if table.name == catalog.profile.name:
        return catalog.model_copy(update={"profile": table})
    return catalog.model_copy(update={"tables": {**catalog.tables, table.name: table}})


def _catalog_uses(catalog: Catalog, table: str, column: str) -> list[str]:
    """Return what of the catalog itself stands on a column."""
    known = catalog.table(table)
    assert known is not None
    used = []
    if table == catalog.profile.name and column == catalog.key:
        used.append("the key of the profile")
    if column == known.time:
        used.append("the time of the table")
    if column in known.row_key:
        used.append("the row key of the table")
    used += [
        f"relationship {r.name}"
        for r in catalog.relationships
        if (table, column) in (r.child, r.parent)
    ]
    for name, history in catalog.histories.items():
        mine = table == history.table and column in (history.column, history.value)
        if mine or (table == catalog.profile.name and column == name):
            used.append(f"the history of {name}")
    return used
