"""Which files are named by what must stay readable."""

from __future__ import annotations

from collections.abc import Iterator

from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixManifest, SnapshotManifest, StoreFile, decode
from muster_core.storage.collection import Needed


def named_files(lake: Lake, needed: Needed) -> set[str]:
    """Return the path of every file that something in `needed` names, its manifests included.

    Of a snapshot that only memberships stand on, its manifest stays: it tells which generation they number.

    Raises:
        StoreDamaged: a manifest is missing or not the one named; then nothing may be removed.
    """
    named = set(needed.files)
    for path, sha256 in needed.snapshots:
        named.add(path)
        named |= set(
            _of_snapshot(decode(SnapshotManifest, lake.read_bytes(path), path=path, sha256=sha256))
        )
    for path, sha256 in needed.matrices:
        matrix = decode(MatrixManifest, lake.read_bytes(path), path=path, sha256=sha256)
        named |= {path, matrix.snapshot, *(file.path for file in matrix.files)}
    return named


def _of_snapshot(manifest: SnapshotManifest) -> Iterator[str]:
    if manifest.statistics is not None:
        yield manifest.statistics.path
    for file in _store_files(manifest):
        yield file.path
        if file.dead is not None:
            yield file.dead


def _store_files(manifest: SnapshotManifest) -> Iterator[StoreFile]:
    yield from manifest.profile
    for table in manifest.tables.values():
        yield from table.files
        yield from table.orphans
    for dimension in manifest.dimensions.values():
        yield dimension.file
