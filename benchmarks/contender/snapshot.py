"""The newest snapshot of the customer store in a running home."""

from __future__ import annotations

from pathlib import Path

from muster_core.lake.location import Lake
from muster_core.lake.store import Store
from muster_core.settings import Settings
from muster_core.storage.database import open_database, transaction
from muster_core.storage.snapshot import read_head


def newest_manifest(home: Path) -> tuple[Lake, str, str]:
    """Return the lake, and path and SHA-256 of the snapshot's manifest."""
    settings = Settings(home=home)
    database = open_database(settings.database(), application="benchmark")
    try:
        with transaction(database) as connection:
            head = read_head(connection)
    finally:
        database.dispose()
    if head.snapshot is None:
        raise LookupError("Nothing was prepared yet.")
    return Lake(settings.lake()), head.snapshot.manifest, head.snapshot.manifest_sha256


def newest_store(home: Path) -> Store:
    """Return it, opened."""
    return Store.open(*newest_manifest(home))
