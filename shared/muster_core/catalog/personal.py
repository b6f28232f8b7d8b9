"""Which columns hold what is personal: those marked so and, unasked, whatever names a customer."""

from __future__ import annotations

from muster_core.catalog.document import Catalog, Table


def naming_columns(catalog: Catalog, table: Table) -> set[str]:
    """Return the columns of a table that name a customer: the key, and what refers to it."""
    key = (catalog.profile.name, catalog.key)
    referring = {r.child for r in catalog.relationships if r.parent == key} | {key}
    return {column for name, column in referring if name == table.name}


def personal_names(catalog: Catalog, table: Table) -> set[str]:
    """Return the columns of a table that are personal."""
    return {*table.personal, *naming_columns(catalog, table)}


def personal_along(catalog: Catalog, name: str) -> set[str]:
    """Return which columns of a prepared table are personal, those of tables on its way as ``parent.column``."""
    own = catalog.table(name)
    found = personal_names(catalog, own) if own else set()
    for table in catalog.tables.values():
        found |= {f"{table.name}.{column}" for column in personal_names(catalog, table)}
    return found
