"""What an extraction that was killed had finished: the next one goes on from there where it may.

Each extraction writes into a directory of its own and notes every finished piece there. A noted piece is used
by a later extraction only after the server has confirmed that it still has the same rows, so that no two
snapshots are ever mixed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from muster_core.extract.ledger import Ledger
from muster_core.extract.manifest import Piece, PieceState
from muster_worker.extract.part import StagedFile

_PIECE = re.compile(r"piece-\d+\.json")


class Attempt(BaseModel):
    """What an extraction starts from: only attempts that start alike can go on with each other's pieces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Number of the manifest it builds upon; 0 for none.
    base: int
    lineage: str


class FinishedPiece(BaseModel):
    """A piece that was read to its end, and its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: PieceState
    files: list[StagedFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The notes of one extraction, in its own directory."""

    ledger: Ledger
    attempt: Attempt
    directory: str

    @classmethod
    def begin(cls, ledger: Ledger, attempt: Attempt) -> Journal:
        """Start a new directory."""
        directory = f"{ledger.directory}/{uuid.uuid4().hex}"
        ledger.lake.write_bytes(f"{directory}/attempt.json", attempt.model_dump_json().encode())
        return cls(ledger=ledger, attempt=attempt, directory=directory)

    def note(self, finished: FinishedPiece) -> None:
        """Write down a finished piece; its files are complete."""
        path = f"{self.directory}/piece-{finished.state.piece.id:08d}.json"
        self.ledger.lake.write_bytes(path, finished.model_dump_json().encode())

    def earlier(self) -> dict[Piece, FinishedPiece]:
        """Return what other attempts with the same start have finished."""
        listed = {
            entry.path: entry.size for entry in self.ledger.lake.entries(self.ledger.directory)
        }
        found: dict[Piece, FinishedPiece] = {}
        for directory in self._others(listed):
            for path in listed:
                if _PIECE.fullmatch(path.removeprefix(f"{directory}/")):
                    finished = self._read(path, listed)
                    if finished is not None:
                        found[finished.state.piece] = finished
        return found

    def _others(self, listed: Mapping[str, int]) -> Iterator[str]:
        for path in listed:
            directory, _, name = path.rpartition("/")
            if name != "attempt.json" or directory == self.directory:
                continue
            try:
                known = Attempt.model_validate_json(self.ledger.lake.read_bytes(path))
            except ValidationError:  # of another release
                continue
            if known == self.attempt:
                yield directory

    def _read(self, path: str, listed: Mapping[str, int]) -> FinishedPiece | None:
        try:
            finished = FinishedPiece.model_validate_json(self.ledger.lake.read_bytes(path))
        except ValidationError:
            return None
        whole = all(listed.get(f.path) == f.size and f.index in listed for f in finished.files)
        return finished if whole else None
