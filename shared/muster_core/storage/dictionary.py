"""All tables of the control database, for whoever needs every one of them."""

from __future__ import annotations

from sqlalchemy import MetaData

from muster_core.storage import (
    access_table,
    collection_table,
    definition_table,
    erasure_table,
    export_table,
    process_table,
    run_table,
    store_table,
)
from muster_core.storage.schema import metadata

_MODULES = (
    access_table,
    collection_table,
    definition_table,
    erasure_table,
    export_table,
    process_table,
    run_table,
    store_table,
)


def all_tables() -> MetaData:
    """Return what migrations create: each module added its tables when it was imported."""
    assert all(module.metadata is metadata for module in _MODULES)
    return metadata
