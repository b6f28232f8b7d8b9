"""Putting the parts of a halved batch into one matrix, their words side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from muster_core.kernel.tally import Tally
from muster_core.lake.location import Lake
from muster_core.lake.manifest import MatrixFile
from muster_core.lake.matrix import Words, write_words
from muster_worker.evaluate.job import Evaluation


@dataclass(frozen=True, slots=True)
class _Shifted:
    """One part and the word at which it begins in the whole."""

    part: Evaluation
    word: int

    @property
    def bits(self) -> dict[int, int]:
        return {segment: bit + 64 * self.word for segment, bit in self.part.bits.items()}


def combine(lake: Lake, directory: str, parts: Sequence[Evaluation]) -> Evaluation:
    """Return one evaluation for all `parts`; a single part is returned as it is.

    Only a batch that had to be halved pays for this second writing; one partition is held at a time.

    Raises:
        NoSpace: the disk is full.
        StoreDamaged: a part's file is missing.
    """
    if len(parts) == 1:
        return parts[0]
    shifted: list[_Shifted] = []
    words = 0
    for part in parts:
        shifted.append(_Shifted(part, words))
        words += part.words
    bits: dict[int, int] = {}
    tallies: dict[int, Tally] = {}
    work: dict[int, float] = {}
    for piece in shifted:
        bits |= piece.bits
        tallies |= piece.part.tallies
        work |= piece.part.work
    files = tuple(
        _side_by_side(lake, directory, [part.files[number] for part in parts])
        for number in range(len(parts[0].files))
    )
    return Evaluation(words=words, bits=bits, tallies=tallies, files=files, work=work)


def _side_by_side(lake: Lake, directory: str, files: Sequence[MatrixFile]) -> MatrixFile:
    blocks = [_words(lake, file) for file in files]
    return write_words(lake, directory, files[0].partition, np.concatenate(blocks, axis=1))


def _words(lake: Lake, file: MatrixFile) -> Words:
    with lake.open_input(file.path) as source:
        table = pq.ParquetFile(source).read(use_threads=False)
        columns = [column.to_numpy() for column in table.columns]
    found: Words = np.stack(columns, axis=1) if columns else np.zeros((file.rows, 0), np.uint64)
    return found
