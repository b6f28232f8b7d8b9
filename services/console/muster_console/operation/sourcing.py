"""Writing a catalog from within: what there is now as people write it, and what a source holds before it is named.

The catalog in use is kept resolved; here it becomes a document again, so that a table can be added by choosing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from muster_console.operation.workspace import Workspace, require_administrator
from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import InvalidInput, Problem
from muster_core.lake.inspect import look_at_source
from muster_core.storage.catalog import current_catalog
from muster_core.storage.database import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogDraft:
    """The catalog in use as a document, and the columns of its tables; `id` is 0 and all is empty before the first."""

    id: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    #: Column to type, by table.
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFound:
    """What a source holds: its rows, its columns with their types, and those of a type that cannot be used."""

    rows: int
    columns: Mapping[str, str]
    left_out: Mapping[str, str]


def open_catalog(workspace: Workspace) -> CatalogDraft:
    """Return the catalog in use, to be changed.

    Raises:
        NotPermitted: who asks is no administrator.
    """
    require_administrator(workspace, "change the catalog")
    with transaction(workspace.database) as connection:
        found = current_catalog(connection)
    if found is None:
        return CatalogDraft()
    number, catalog = found
    tables = {catalog.profile.name: catalog.profile, **catalog.tables}
    return CatalogDraft(
        id=number,
        document=document_of(catalog),
        columns={name: table.columns for name, table in tables.items()},
    )


def find_source(workspace: Workspace, written: Mapping[str, Any]) -> SourceFound:
    """Return what the source a table names holds; nothing is saved.

    Raises:
        NotPermitted: who asks is no administrator.
        InvalidInput: it is no source, or its path is relative.
        SourceMissing, SourceUnreadable, SourceDenied, SourceUnavailable: there is nothing to be read.
        TerminalError: its connection is not known.
    """
    require_administrator(workspace, "look at sources")
    try:
        source = Source.model_validate(written)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
        raise InvalidInput([Problem(message=_message(error)) for error in errors]) from exc
    layout = look_at_source(source)
    return SourceFound(
        rows=layout.rows,
        columns={name: str(kind) for name, kind in layout.columns.items() if kind is not None},
        left_out=dict(layout.left_out),
    )


def _message(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def document_of(catalog: Catalog) -> dict[str, Any]:
    """Return a catalog as it is written, without what goes without saying.

    Applied again it becomes the same catalog; descriptions of columns are not kept by it and are not told.
    """
    profile = _table(catalog, catalog.profile)
    found: dict[str, Any] = {
        "version": catalog.version,
        "timezone": catalog.timezone,
        "profile": {"table": catalog.profile.name, "key": catalog.key, **profile},
    }
    for column, history in catalog.histories.items():
        notes = found["profile"].setdefault("columns", {})
        notes.setdefault(column, {})["history"] = history.model_dump(mode="json")
    if catalog.tables:
        found["tables"] = {name: _table(catalog, table) for name, table in catalog.tables.items()}
    if catalog.relationships:
        found["relationships"] = [
            relationship.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for relationship in catalog.relationships
        ]
    return found


def _table(catalog: Catalog, table: Table) -> dict[str, Any]:
    written: dict[str, Any] = {
        "source": table.source.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    }
    if table.row_key:
        written["row_key"] = list(table.row_key)
    if table.time:
        written["time"] = table.time
    if table.timezone != "UTC":
        written["timezone"] = table.timezone
    if table.closed:
        written["only"] = list(table.columns)
    if table.personal:
        written["columns"] = {name: {"personal": True} for name in table.personal}
    contract = catalog.contracts.get(table.name)
    if contract is not None:
        written["freshness"] = contract.model_dump(mode="json", exclude_defaults=True)
    return written
