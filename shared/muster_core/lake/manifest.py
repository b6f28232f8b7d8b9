"""Manifests: the only way to know which files a snapshot or a matrix consists of.

A manifest is canonical JSON written last; its SHA-256 is kept in PostgreSQL and checked at every reading.
Paths are relative to the lake's root. A file no manifest names does not exist for any reader.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from muster_core.catalog.document import Catalog
from muster_core.errors import StoreDamaged

STORE_FORMAT = 1
MATRIX_FORMAT = 1

#: Names of the columns Muster adds to prepared files.
ORDINAL = "_ordinal"
ALIVE = "_alive"
KEY_HASH = "_key_hash"
SOURCE_FILE = "_source_file"
SOURCE_ROW = "_source_row"


class Node(BaseModel):
    """A manifest node: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(Node):
    """One source file as it was when it was read; `number` is what `_source_file` holds.

    All prepared files of a table share one numbering, in the order of paths: it is part of their order. It
    leaves gaps, so that a file that comes later finds a number at its place and the others keep theirs.
    """

    number: int
    path: str
    size: int
    #: Modification time in nanoseconds, in object stores followed by the etag; the checksum of extracted files.
    etag: str
    #: For extracted files: the file with the positions of rows that are no longer there, and their number.
    dead: str | None = None
    dead_rows: int = 0


class StoreFile(Node):
    """One prepared Parquet file of one partition.

    A profile file holds one row per ordinal, in order. A table's file holds `_ordinal`, the columns,
    `_source_file`, `_source_row`, newest first. `dead` names a bitmap file of dead rows (None: all live), of
    which there are `dead_rows`.
    """

    path: str
    partition: int
    rows: int
    size: int
    sha256: str
    dead: str | None = None
    dead_rows: int = 0


class KeyRange(Node):
    """How many ordinals a partition has given out, and how many belong to an alive customer."""

    partition: int
    ordinals: int
    alive: int


class LeftOut(Node):
    """Rows of one source file that stand nowhere in the store."""

    without_customer: int = 0
    without_time: int = 0


class PreparedTable(Node):
    """One related table of a snapshot; its counts are of live rows."""

    columns: dict[str, str]
    #: SHA-256 over the table's catalog entry, path and source files: equal means nothing to do.
    fingerprint: str
    sources: list[SourceFile]
    #: Numbers of source files that were rewritten or removed while rows of theirs are still in `files`.
    dead_sources: list[int] = []
    files: list[StoreFile]
    #: Rows whose customer or parent is not known yet, with their key; resolved when keys are added.
    orphans: list[StoreFile] = []
    rows: int
    orphan_rows: int = 0
    rows_without_customer: int = 0
    rows_without_time: int = 0
    #: Where these rows are, by number of the source file; None in snapshots from before there were increments.
    left_out: dict[int, LeftOut] | None = None
    #: The sources of the tables along the path, as they were joined; None as above.
    parents: dict[str, list[SourceFile]] | None = None


class DimensionTable(Node):
    """One table that rows or profiles refer to: a single file in the order of its key, not partitioned."""

    columns: dict[str, str]
    #: The columns that are referred to; each is unique where it is set, and the first orders the rows.
    keys: list[str]
    #: SHA-256 over the table's catalog entry, keys and source files: equal means nothing to do.
    fingerprint: str
    sources: list[SourceFile]
    file: StoreFile
    rows: int
    #: Rows of the sources that were left out because nothing can refer to them.
    rows_without_key: int = 0


class StatisticsFile(Node):
    """Where the statistics of a snapshot's columns are: a JSON file beside the manifest."""

    path: str
    size: int
    sha256: str


class SnapshotManifest(Node):
    """Everything a reader needs of one snapshot of the customer store."""

    format: Literal["muster.store"] = "muster.store"
    version: int = STORE_FORMAT
    generation: int
    partitions: int
    parent: str | None
    catalog: Catalog
    fingerprint: str
    sources: list[SourceFile]
    keys: list[KeyRange]
    columns: dict[str, str]
    profile: list[StoreFile]
    tables: dict[str, PreparedTable]
    dimensions: dict[str, DimensionTable] = {}
    statistics: StatisticsFile | None = None

    @property
    def customers(self) -> int:
        """Return the number of alive customers."""
        return sum(k.alive for k in self.keys)


class MatrixFile(Node):
    """The membership words of one partition: row i is ordinal i, columns ``w0 w1 ...`` are uint64."""

    path: str
    partition: int
    rows: int
    size: int
    sha256: str


class MatrixManifest(Node):
    """One batch's memberships. `segments` gives the bit of each segment: word = bit // 64."""

    format: Literal["muster.matrix"] = "muster.matrix"
    version: int = MATRIX_FORMAT
    #: Manifest path and SHA-256 of the snapshot it was computed from.
    snapshot: str
    snapshot_sha256: str
    as_of: str
    plan_sha256: str
    words: int
    segments: dict[str, int]
    counts: dict[str, int]
    files: list[MatrixFile]


class Pointer(Node):
    """Where the members of one published version are: a matrix manifest and a bit in it."""

    manifest: str
    manifest_sha256: str
    bit: int


Manifest = TypeVar("Manifest", SnapshotManifest, MatrixManifest)

#: The format version this release reads of each kind of manifest.
_READABLE = {SnapshotManifest: STORE_FORMAT, MatrixManifest: MATRIX_FORMAT}


def encode(manifest: SnapshotManifest | MatrixManifest) -> tuple[bytes, str]:
    """Return a manifest's canonical bytes and their SHA-256 in hex."""
    data = manifest.model_dump_json(by_alias=True).encode()
    return data, hashlib.sha256(data).hexdigest()


def decode(kind: type[Manifest], data: bytes, *, path: str, sha256: str) -> Manifest:
    """Return the manifest whose bytes, read from `path`, are `data`.

    Raises:
        StoreDamaged: it is not the one with this SHA-256, or has an unknown format.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreDamaged(f"The manifest {path} is not the one that was published.")
    try:
        manifest = kind.model_validate_json(data)
    except ValidationError as exc:
        raise StoreDamaged(f"The manifest {path} cannot be read.") from exc
    if manifest.version != _READABLE[kind]:
        raise StoreDamaged(f"The manifest {path} has format version {manifest.version}.")
    return manifest
