"""Writing and reading the statistics of a snapshot: a JSON file of its own, named by the manifest."""

from __future__ import annotations

import hashlib

from pydantic import ValidationError

from muster_core.catalog.statistic import Statistics
from muster_core.errors import StoreDamaged
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SnapshotManifest, StatisticsFile


def write_statistics(lake: Lake, directory: str, statistics: Statistics) -> StatisticsFile:
    """Write statistics and return the manifest's entry for them."""
    data = statistics.model_dump_json().encode()
    sha256 = hashlib.sha256(data).hexdigest()
    path = f"{directory}/statistics-{sha256[:16]}.json"
    lake.write_bytes(path, data)
    return StatisticsFile(path=path, size=len(data), sha256=sha256)


def read_statistics(lake: Lake, manifest: SnapshotManifest) -> Statistics:
    """Return the statistics of a snapshot; nothing is known of one that was prepared without them.

    Raises:
        StoreDamaged: the file is missing or is not the one that was written.
    """
    entry = manifest.statistics
    if entry is None:
        return Statistics()
    data = lake.read_bytes(entry.path)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise StoreDamaged(f"The file {entry.path} is not the one its manifest names.")
    try:
        return Statistics.model_validate_json(data)
    except ValidationError as exc:
        raise StoreDamaged(f"The file {entry.path} cannot be read.") from exc
