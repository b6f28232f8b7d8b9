"""Reading a snapshot of the customer store: only files its manifest names, only the columns asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.errors import StoreDamaged
from muster_core.lake.bitmap import read_bitmap
from muster_core.lake.dimension import read_dimension
from muster_core.lake.location import Lake
from muster_core.lake.manifest import (
    ALIVE,
    KeyRange,
    MatrixFile,
    PreparedTable,
    SnapshotManifest,
    StoreFile,
    decode,
    encode,
)
from muster_core.lake.matrix import Matrix, Words, bits_of
from muster_core.lake.order import Order
from muster_core.lake.scan import RowScan, intact, open_parquet

Bits = NDArray[np.bool_]


def write_snapshot(lake: Lake, directory: str, manifest: SnapshotManifest) -> tuple[str, str]:
    """Write a snapshot's manifest, last of all its files; return its path and SHA-256."""
    data, sha256 = encode(manifest)
    path = f"{directory}/snapshot-{sha256[:16]}.json"
    lake.write_bytes(path, data)
    return path, sha256


def verify(lake: Lake, file: StoreFile | MatrixFile) -> None:
    """Check a data file, and what tells its dead rows, against its manifest entry, byte for byte.

    Raises:
        StoreDamaged: the file is missing or is not the one that was written.
    """
    size, sha256 = lake.digest(file.path)
    if (size, sha256) != (file.size, file.sha256):
        raise StoreDamaged(f"The file {file.path} is not the one its manifest names.")
    if isinstance(file, StoreFile):
        read_bitmap(lake, file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One snapshot, opened."""

    lake: Lake
    manifest: SnapshotManifest

    @classmethod
    def open(cls, lake: Lake, path: str, sha256: str) -> Store:
        """Open the snapshot whose manifest is at `path`.

        Raises:
            StoreDamaged: the manifest is missing, is not the one named, or has an unknown format.
        """
        manifest = decode(SnapshotManifest, lake.read_bytes(path), path=path, sha256=sha256)
        return cls(lake=lake, manifest=manifest)

    def partition(self, number: int) -> StorePartition:
        """Return one hash partition for reading."""
        return StorePartition(lake=self.lake, manifest=self.manifest, number=number)

    def sizes(self, tables: Iterable[str]) -> list[tuple[int, dict[str, int]]]:
        """Return of each partition its ordinals, and its rows in each of `tables`, dead ones included.

        Raises:
            StoreDamaged: the snapshot has no such table.
        """
        names = list(tables)
        parts = [self.partition(number) for number in range(self.manifest.partitions)]
        return [(part.size, {name: part.row_count(name) for name in names}) for part in parts]


@dataclass(slots=True)
class _Kept:
    """The earlier matrix and its word that were read last: neighbours in a batch share both."""

    matrix: tuple[str, str] | None = None
    opened: Matrix | None = None
    word: int | None = None
    values: Words = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePartition:
    """One hash partition of a snapshot: a `muster_core.kernel.source.Partition`."""

    lake: Lake
    manifest: SnapshotManifest
    number: int
    _range: KeyRange = field(init=False)
    _profile: StoreFile | None = field(init=False)
    _kept: _Kept = field(init=False, default_factory=_Kept, repr=False, compare=False)

    def __post_init__(self) -> None:
        number = self.number
        ranges = (r for r in self.manifest.keys if r.partition == number)
        empty = KeyRange(partition=number, ordinals=0, alive=0)
        object.__setattr__(self, "_range", next(ranges, empty))
        files = (f for f in self.manifest.profile if f.partition == number)
        object.__setattr__(self, "_profile", next(files, None))

    @property
    def size(self) -> int:
        """Return the number of ordinals given out."""
        return self._range.ordinals

    def alive(self) -> Bits:
        """Return, per ordinal, whether the customer exists in this snapshot."""
        if self._profile is None:
            return np.zeros(0, dtype=np.bool_)
        found: Bits = self.profile([ALIVE])[ALIVE].to_numpy()
        return found

    def profile(
        self, columns: Sequence[str], *, coded: bool = True
    ) -> Mapping[str, pa.ChunkedArray]:
        """Return profile columns in ordinal order, text dictionary-encoded unless `coded` is false.

        Raises:
            StoreDamaged: the profile file is missing or does not have these columns.
        """
        if self._profile is None or not columns:
            return {name: pa.chunked_array([], pa.null()) for name in columns}
        with self.lake.open_input(self._profile.path) as source, intact(self._profile):
            file = open_parquet(source, self._profile, columns, coded=coded)
            table: Any = file.read(list(columns), use_threads=False)
        return {name: table.column(table.schema.get_field_index(name)) for name in columns}

    def rows(
        self, table: str, columns: Sequence[str], *, oldest: datetime | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the live rows of `table` in chunks, in its total order, newest first.

        With `oldest`, row groups whose rows are all before it are not read; other rows before it may still
        come, so the caller's own time test decides.

        Raises:
            StoreDamaged: a file is missing, unreadable or without these columns.
        """
        prepared = self._prepared(table)
        files = [entry for entry in prepared.files if entry.partition == self.number]
        scan = RowScan(lake=self.lake, dead_sources=prepared.dead_sources, order=self._order(table))
        yield from scan.rows(files, columns, oldest)

    def row_count(self, table: str) -> int:
        """Return how many rows of `table` the partition's files have, dead ones included.

        Raises:
            StoreDamaged: the snapshot has no such table.
        """
        files = self._prepared(table).files
        return sum(entry.rows for entry in files if entry.partition == self.number)

    def _prepared(self, table: str) -> PreparedTable:
        prepared = self.manifest.tables.get(table)
        if prepared is None:
            raise StoreDamaged(f"The snapshot has no table {table}.")
        return prepared

    def order_columns(self, table: str) -> list[str]:
        """Return the columns that order rows of equal time: the row key, `_source_file`, `_source_row`."""
        return self._order(table).ties

    def dimension(self, table: str, columns: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        """Return columns of a dimension, text dictionary-encoded; read once per process.

        Raises:
            StoreDamaged: the snapshot has no such dimension, or its file is missing or without these columns.
        """
        found = self.manifest.dimensions.get(table)
        if found is None:
            raise StoreDamaged(f"The snapshot has no dimension {table}.")
        return {name: read_dimension(self.lake, found.file, name) for name in columns}

    def members(self, manifest: str, sha256: str, bit: int) -> Bits:
        """Return an earlier version's members, padded with False or cut to `size`.

        Cheap where calls for one matrix, and within it for one word of 64 bits, come together.

        A matrix of another generation numbers its customers differently: it has no bit for anyone here.

        Raises:
            StoreDamaged: the matrix is missing or not the one named.
        """
        padded = np.zeros(self.size, dtype=np.bool_)
        word, shift = divmod(bit, 64)
        # a pinned snapshot may be older than the matrix, which then has customers it does not know
        known = bits_of(self._earlier_word(manifest, sha256, word), shift)[: self.size]
        padded[: len(known)] = known
        return padded

    def _earlier_word(self, manifest: str, sha256: str, word: int) -> Words:
        """Return a word of an earlier matrix; the latest matrix and word are kept for the next call."""
        kept = self._kept
        if kept.matrix != (manifest, sha256):
            matrix = Matrix.open(self.lake, manifest, sha256)
            comparable = self._generation_of(matrix) == self.manifest.generation
            kept.opened = matrix if comparable else None
            kept.matrix, kept.word = (manifest, sha256), None
        if kept.word != word:
            nobody = np.zeros(0, dtype=np.uint64)
            kept.values = kept.opened.word(word, self.number) if kept.opened else nobody
            kept.word = word
        return kept.values

    def _generation_of(self, matrix: Matrix) -> int:
        basis = matrix.manifest
        return Store.open(self.lake, basis.snapshot, basis.snapshot_sha256).manifest.generation

    def _order(self, table: str) -> Order:
        known = self.manifest.catalog.table(table.partition("@")[0])
        return Order.of(known) if known else Order()
