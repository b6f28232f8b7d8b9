"""Reading the pieces of a source side by side through one snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster_core.errors import LeaseLost
from muster_core.extract.description import Description
from muster_core.extract.manifest import Piece, PieceState
from muster_core.extract.session import Session
from muster_core.extract.type import SourceColumn
from muster_worker.extract.fit import fit_batch, nested_expression, part_schema
from muster_worker.extract.index import NO_PIECE
from muster_worker.extract.journal import FinishedPiece, Journal
from muster_worker.extract.layout import piece_origin
from muster_worker.extract.moment import Moment
from muster_worker.extract.part import PartWriter, StagedFile
from muster_worker.extract.pool import Item, Pool, Result
from muster_worker.extract.signal import Signal
from muster_worker.extract.stream import Stream
from muster_worker.extract.verification import is_same

#: Called with rows read so far, pieces done, and pieces there are.
Progress = Callable[[int, int, int], None]


@dataclass(slots=True)
class Tally:
    """Rows and pieces done so far, told to the caller's `progress`."""

    progress: Progress
    pieces: int
    rows: int = 0
    done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, rows: int = 0, done: int = 0) -> None:
        """Count and tell."""
        with self._lock:
            self.rows += rows
            self.done += done
            self.progress(self.rows, self.done, self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything the threads share."""

    session: Session
    url: str
    moment: Moment
    description: Description
    columns: Sequence[SourceColumn]
    journal: Journal
    stop: Signal
    tally: Tally

    def same(self, states: Iterable[PieceState]) -> set[Piece]:
        """Return the pieces that still have the rows they had."""
        found = self._each(list(states), self._is_same)
        return {state.piece for state, same in found if same}

    def read(self, pieces: Sequence[Piece]) -> list[FinishedPiece]:
        """Read pieces and return them in their order; each is noted in the journal when finished.

        Raises:
            MusterError: the source failed, or a value does not fit.
            LeaseLost: `stop` was set.
        """
        done = dict(self._each(pieces, self._read_piece))
        return [done[piece] for piece in pieces]

    def read_late(self, origin: str, condition: str) -> list[StagedFile]:
        """Read the rows of the whole source that meet `condition`, as part of no piece."""

        def read(stream: Stream, wanted: str) -> list[StagedFile]:
            with self.writer() as writer:
                for batch in self.batches(stream, origin, wanted):
                    writer.write(batch, NO_PIECE)
                return writer.close()

        return [file for _, files in self._each([condition], read) for file in files]

    def _is_same(self, stream: Stream, state: PieceState) -> bool:
        return is_same(stream, state, self.moment.newest)

    def _read_piece(self, stream: Stream, piece: Piece) -> FinishedPiece:
        origin, condition = piece_origin(piece, self.description, self.session)
        with self.writer() as writer:
            for batch in self.batches(stream, origin, condition):
                writer.write(batch, piece.id if piece.relation else NO_PIECE)
            files = writer.close()
        state = PieceState(
            piece=piece,
            rows=sum(f.rows for f in files),
            horizon=self.moment.horizon if piece.relation and self.moment.server else None,
        )
        finished = FinishedPiece(state=state, files=files)
        self.journal.note(finished)
        self.tally.add(done=1)
        return finished

    def writer(self) -> PartWriter:
        """Return a writer of part files in the journal's directory."""
        return PartWriter(
            self.journal.ledger.lake,
            self.journal.directory,
            part_schema(self.columns),
            key=self.description.key,
            watermark=self.session.source.watermark,
        )

    def batches(self, stream: Stream, origin: str, condition: str) -> Iterator[Any]:
        """Yield the rows of `origin` under `condition` as they are stored."""
        statement = self.description.select(list(self.columns), origin, condition)
        if nested := nested_expression(self.columns):
            statement = statement.replace("SELECT ", f"SELECT {nested}, ", 1)
        for batch in stream.batches(statement):
            if self.stop.is_set():
                raise LeaseLost("The extraction was stopped.")
            yield fit_batch(batch, self.columns, self.session.table)
            self.tally.add(rows=batch.num_rows)

    def _each(
        self, items: Sequence[Item], work: Callable[[Stream, Item], Result]
    ) -> list[tuple[Item, Result]]:
        pool = Pool(
            lambda: Stream(self.session.source, self.url, self.session.table, self.moment.exported),
            self.stop,
        )
        return pool.run(items, work, threads=self.session.source.parallel)
