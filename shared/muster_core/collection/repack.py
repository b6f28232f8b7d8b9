"""Writing memberships anew that are mostly no longer needed: one static segment must not pin a thousand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixFile, MatrixManifest, Pointer
from muster_core.lake.matrix import Matrix, Words, write_manifest, write_words
from muster_core.lake.store import verify

#: Bits of one word.
_WORD = 64


def is_worth_it(matrix: MatrixManifest, bits: Sequence[int]) -> bool:
    """Whether the bits in use would fit into half of the words, or fewer."""
    return 2 * _words(len(bits)) <= matrix.words


def repack(
    lake: Lake,
    pointer: Pointer,
    bits: Sequence[int],
    *,
    directory: str,
    check: Callable[[], None],
) -> tuple[str, str, dict[int, int]]:
    """Write the members at `bits` (distinct) of a matrix to `directory`, close together.

    Return the new manifest's path and SHA-256, and the new bits by the old ones. One partition is in memory at a
    time; `check` is called before each and may raise to stop.

    Raises:
        StoreDamaged: a file of the matrix is missing or not the one that was written.
        NoSpace: the disk is full.
    """
    old = Matrix.open(lake, pointer.manifest, pointer.manifest_sha256)
    places = {bit: place for place, bit in enumerate(bits)}
    files: list[MatrixFile] = []
    for file in old.manifest.files:
        check()
        # the copy gets a checksum of its own: damage must not be given one
        verify(lake, file)
        words = _packed(old, file, places)
        files.append(write_words(lake, directory, file.partition, words))
    kept = {name: bit for name, bit in old.manifest.segments.items() if bit in places}
    manifest = old.manifest.model_copy(
        update={
            "words": _words(len(bits)),
            "segments": {name: places[bit] for name, bit in kept.items()},
            "counts": {n: count for n, count in old.manifest.counts.items() if n in kept},
            "files": files,
        }
    )
    path, sha256 = write_manifest(lake, directory, manifest)
    return path, sha256, places


def _packed(old: Matrix, file: MatrixFile, places: dict[int, int]) -> Words:
    found: Words = np.zeros((file.rows, _words(len(places))), dtype=np.uint64)
    word, values = -1, found[:, 0]
    for bit, place in sorted(places.items()):
        if bit // _WORD != word:
            word = bit // _WORD
            values = old.word(word, file.partition)
        members: Words = (values >> np.uint64(bit % _WORD)) & np.uint64(1)
        found[:, place // _WORD] |= members << np.uint64(place % _WORD)
    return found


def _words(bits: int) -> int:
    return -(-bits // _WORD)
