"""The catalog in the control database: every version ever applied, the newest one in use."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.catalog.document import Catalog
from muster_core.storage.definition_table import catalog_version


def current_catalog(connection: Connection) -> tuple[int, Catalog] | None:
    """Return the id of the catalog in use and the catalog, or None where none was applied."""
    row = connection.execute(
        sa.select(catalog_version.c.id, catalog_version.c.document)
        .order_by(catalog_version.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, Catalog.model_validate(row.document))


def apply_catalog(connection: Connection, catalog: Catalog) -> tuple[int, bool]:
    """Make `catalog` the one in use; return its id and whether that changed anything."""
    # Two that apply at once would otherwise both see the same newest version.
    connection.execute(sa.text("LOCK TABLE catalog_version IN SHARE ROW EXCLUSIVE MODE"))
    digest = catalog.digest()
    newest = connection.execute(
        sa.select(catalog_version.c.id, catalog_version.c.digest)
        .order_by(catalog_version.c.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is not None and newest.digest == digest:
        return newest.id, False
    created: int = connection.execute(
        catalog_version.insert()
        .values(digest=digest, document=catalog.model_dump(mode="json", by_alias=True))
        .returning(catalog_version.c.id)
    ).scalar_one()
    return created, True
