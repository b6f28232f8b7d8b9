"""What was extracted of one source: which files hold its rows, and which rows of them are no longer there.

A manifest is JSON written last; the highest number of a source is the one that counts. Files are never
changed: rows that were deleted or changed at the source are named in a file of dead rows, changed rows stand
again in a newer file. What two manifests differ by is exactly what a reader of the older one has to do.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

EXTRACT_FORMAT = 1


class Node(BaseModel):
    """A manifest node: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Piece(Node):
    """A part of a source that is read at once and compared on its own.

    Of a table: the pages `first` up to, but not with, `end` of one physical `relation`, whose storage was
    `filenode`. Of a query: the rows that meet `condition` (empty: all).
    """

    id: int
    relation: str = ""
    filenode: int = 0
    first: int = 0
    end: int = 0
    condition: str = ""


class PieceState(Node):
    """A piece as it was last read: its rows, and the transaction before which every one was written.

    While the piece still has as many rows, all of them written before `horizon`, it has the same rows. None:
    nothing can be told without reading it.
    """

    piece: Piece
    rows: int
    horizon: int | None = None


class PartFile(Node):
    """One Parquet file of rows; `index` names the file with their hashes, keys and pieces."""

    number: int
    path: str
    index: str
    rows: int
    size: int
    sha256: str
    #: The file with the positions of its dead rows, of a new name whenever more die; None while all live.
    dead: str | None = None
    dead_rows: int = 0


class ExtractManifest(Node):
    """Everything known of one source after an extraction."""

    format: Literal["muster.extract"] = "muster.extract"
    version: int = EXTRACT_FORMAT
    #: Place in the row of extractions of this source.
    number: int
    definition: str
    #: Equal for two extractions if transaction numbers and stored rows mean the same in both.
    lineage: str
    #: The source's clock at the snapshot, and the snapshot itself.
    taken_at: str
    snapshot: str
    #: When the whole source was compared last, by the source's clock.
    compared_at: str
    columns: dict[str, str]
    key: list[str]
    #: The column that is followed, and the highest value seen of it in its own whole numbers: microseconds,
    #: days or itself.
    followed: str | None = None
    watermark: int | None = None
    files: list[PartFile]
    pieces: list[PieceState] = []
    #: The next numbers to give out.
    next_file: int = 0
    next_piece: int = 1

    @property
    def rows(self) -> int:
        """Return the number of rows that live."""
        return sum(f.rows - f.dead_rows for f in self.files)
