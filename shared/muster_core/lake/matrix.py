"""The membership matrix: one bit per customer and segment, 64 segments to a word, one file per partition."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from muster_core.errors import StoreDamaged
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixFile, MatrixManifest, decode, encode

Words = NDArray[np.uint64]
Bits = NDArray[np.bool_]


def write_words(lake: Lake, directory: str, partition: int, words: Words) -> MatrixFile:
    """Write one partition's words, shape (ordinals, words), under a name nobody else uses.

    Raises:
        NoSpace: the disk is full; no file is left.
    """
    path = f"{directory}/part-{partition:05d}-{uuid.uuid4().hex}.parquet"
    columns = {f"w{i}": np.ascontiguousarray(words[:, i]) for i in range(words.shape[1])}
    table = pa.table(columns)
    with lake.open_output(path) as output:
        pq.write_table(table, pa.PythonFile(output, mode="w"), compression="zstd")
    return MatrixFile(
        path=path, partition=partition, rows=len(words), size=output.size, sha256=output.sha256
    )


def write_manifest(lake: Lake, directory: str, manifest: MatrixManifest) -> tuple[str, str]:
    """Write a matrix's manifest, last of all its files; return its path and SHA-256."""
    data, sha256 = encode(manifest)
    path = f"{directory}/matrix-{sha256[:16]}.json"
    lake.write_bytes(path, data)
    return path, sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A written matrix, opened by what its manifest names."""

    lake: Lake
    manifest: MatrixManifest

    @classmethod
    def open(cls, lake: Lake, path: str, sha256: str) -> Matrix:
        """Open the matrix whose manifest is at `path`.

        Raises:
            StoreDamaged: the manifest is missing, is not the one named, or has an unknown format.
        """
        manifest = decode(MatrixManifest, lake.read_bytes(path), path=path, sha256=sha256)
        return cls(lake=lake, manifest=manifest)

    def file(self, partition: int) -> MatrixFile | None:
        """Return the file of one partition, None where the partition had no customer."""
        return next((f for f in self.manifest.files if f.partition == partition), None)

    def bits(self, bit: int, partition: int) -> Bits:
        """Return one segment's members in one partition by ordinal.

        Raises:
            StoreDamaged: the file is missing or unreadable, or no word holds that bit.
        """
        word, shift = divmod(bit, 64)
        return bits_of(self.word(word, partition), shift)

    def word(self, word: int, partition: int) -> Words:
        """Return the members of 64 segments in one partition by ordinal.

        Raises:
            StoreDamaged: the file is missing or unreadable, or there is no such word.
        """
        file = self.file(partition)
        if file is None:
            return np.zeros(0, dtype=np.uint64)
        if not 0 <= word < self.manifest.words:
            raise StoreDamaged(f"The matrix has {self.manifest.words} words and no word {word}.")
        try:
            with self.lake.open_input(file.path) as source:
                column: Any = pq.ParquetFile(source).read([f"w{word}"], use_threads=False).column(0)
        except pa.ArrowException as exc:
            raise StoreDamaged(f"The matrix file {file.path} cannot be read.") from exc
        values: Words = column.to_numpy()
        if len(values) != file.rows:
            raise StoreDamaged(f"The matrix file {file.path} does not have the rows it should.")
        return values


def bits_of(words: Words, shift: int) -> Bits:
    """Return bit `shift` of each word."""
    return ((words >> np.uint64(shift)) & np.uint64(1)).astype(np.bool_)
