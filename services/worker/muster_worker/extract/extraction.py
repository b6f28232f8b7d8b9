"""One extraction: from a source as it is now, and what was extracted before, to the next manifest."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from muster_core.catalog.type import parse_type
from muster_core.errors import SourceUnreadable
from muster_core.extract.dead import dead_rows
from muster_core.extract.description import Description, describe, find_relation
from muster_core.extract.document import PostgresSource, length
from muster_core.extract.ledger import Ledger
from muster_core.extract.manifest import ExtractManifest, Piece, PieceState
from muster_core.extract.session import Session, reading
from muster_core.extract.type import SourceColumn
from muster_core.lake.conversion import wider_type
from muster_core.lake.dead import Rows
from muster_core.lake.location import Lake
from muster_worker.extract.assembly import Assembled, assemble
from muster_worker.extract.cleaning import remove_other_definitions, remove_unnamed
from muster_worker.extract.difference import Comparison, Difference
from muster_worker.extract.journal import Attempt, FinishedPiece, Journal
from muster_worker.extract.layout import PIECE_PAGES, Leaf, find_leaves, lay_out
from muster_worker.extract.lineage import lineage_of
from muster_worker.extract.moment import Moment, take_moment
from muster_worker.extract.part import StagedFile
from muster_worker.extract.reading import Progress, Reading, Tally
from muster_worker.extract.signal import Signal
from muster_worker.extract.watermark import capped, late_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What one extraction did; `whole` means it compared everything."""

    manifest: ExtractManifest
    #: Whether files or dead rows differ from the manifest before.
    changed: bool
    whole: bool
    read_rows: int
    added_rows: int
    dead_rows: int
    #: Pieces that were confirmed without reading, and those taken over from an extraction that was killed.
    confirmed: int
    resumed: int


def extract(
    lake: Lake,
    source: PostgresSource,
    url: str,
    *,
    table: str,
    columns: Mapping[str, str],
    progress: Progress | None = None,
    stop: Signal | None = None,
    whole: bool = False,
    pages: int = PIECE_PAGES,
) -> Extraction:
    """Bring the files of `table` up to its source; `columns` are its types in the catalog.

    The caller holds the lease of preparing. `whole` compares everything though it is not due; `pages` is the
    size of a piece.

    Raises:
        SourceUnavailable: the server does not answer, broke off, or took too long.
        SourceDenied: it refused the login or the table.
        SourceMissing: there is no such table.
        SourceUnreadable: columns or types are not the catalog's, or a value does not fit.
        DuplicateKeys: rows share a key.
        LeaseLost: `stop` was set.
        SnapshotMoved: another extraction finished first.
    """
    ledger = Ledger(lake=lake, table=table, definition=source.definition(columns))
    with reading(source, url, table) as session:
        _lock(session)
        moment = take_moment(session)
        description = describe(session)
        chosen = _choose(description, source, columns, table)
        work = _Work(
            ledger=ledger,
            session=session,
            url=url,
            description=description,
            columns=chosen,
            moment=moment,
            lineage=lineage_of(session, moment, description, chosen),
            head=ledger.head(),
            progress=progress or (lambda *_: None),
            stop=stop or threading.Event(),
            pages=pages,
        )
        found = work.run(whole)
    ledger.publish(found.manifest)
    remove_unnamed(ledger)
    remove_other_definitions(ledger)
    return found


def _lock(session: Session) -> None:
    """Take the lock any SELECT takes, before the snapshot: no one can empty the table between the two."""
    relation = find_relation(session)
    session.restart()
    if relation is not None and relation.kind in ("r", "p"):
        session.run(f"LOCK TABLE {relation.quoted} IN ACCESS SHARE MODE")


def _choose(
    description: Description, source: PostgresSource, columns: Mapping[str, str], table: str
) -> list[SourceColumn]:
    """Return the columns to fetch, after making sure they are what the catalog says."""
    for name, text in columns.items():
        found = description.columns.get(name)
        left_out = description.left_out.get(name)
        if found is None or wider_type(parse_type(text), found.kind) != parse_type(text):
            now = found.kind if found else left_out.type if left_out else "nothing"
            raise SourceUnreadable(
                f"The source of {table} has column {name} as {now}, the catalog as {text}.",
                hint="Apply the catalog again, or correct the source.",
            )
    needed = [*columns, *description.key, *([source.watermark] if source.watermark else [])]
    return [description.columns[name] for name in dict.fromkeys(needed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the steps of one extraction share."""

    ledger: Ledger
    session: Session
    url: str
    description: Description
    columns: list[SourceColumn]
    moment: Moment
    lineage: str
    head: ExtractManifest | None
    progress: Progress
    stop: Signal
    pages: int

    def run(self, whole: bool) -> Extraction:
        """Extract; nothing is published yet."""
        leaves = find_leaves(self.session, self.description)
        condition = None if whole or self._is_due(leaves) else self._late()
        if condition is None:
            return self._compare(leaves)
        return self._follow(condition)

    def _is_due(self, leaves: list[Leaf] | None) -> bool:
        """Whether only a comparison of everything tells what changed."""
        head, source = self.head, self.session.source
        if head is None or source.watermark is None or head.watermark is None:
            return True
        if head.lineage != self.lineage or head.followed != source.watermark:
            return True
        known = {(s.piece.relation, s.piece.filenode) for s in head.pieces if s.piece.relation}
        if not known <= {(leaf.relation, leaf.filenode) for leaf in leaves or []}:
            return True  # emptied, rewritten, or a partition is gone
        since = self.moment.now - datetime.fromisoformat(head.compared_at)
        return since >= length(source.reconcile)

    def _late(self) -> str | None:
        source, head = self.session.source, self.head
        assert source.watermark is not None
        assert head is not None
        assert head.watermark is not None
        column = self.description.columns[source.watermark]
        return late_condition(source, column, head.watermark)

    def _compare(self, leaves: list[Leaf] | None) -> Extraction:
        """Read all pieces that may have changed, and find new and dead rows in them."""
        head = self.head
        usable = head is not None and head.lineage == self.lineage
        known = {s.piece: s for s in head.pieces} if head and usable else {}
        layout = lay_out(
            self.session,
            self.description,
            leaves,
            known.values(),
            head.next_piece if head else 1,
            pages=self.pages,
        )
        reading_ = self._reading(len(layout.pieces))
        earlier = reading_.journal.earlier()
        kept, resumed = self._confirmed(reading_, known, earlier, layout.pieces)
        finished = [earlier[p] for p in resumed]
        for piece in finished:
            reading_.journal.note(piece)
        reading_.tally.add(done=len(kept) + len(resumed))
        todo = [p for p in layout.pieces if p not in kept and p not in resumed]
        finished += reading_.read(todo)
        staged = [file for piece in finished for file in piece.files]
        dead = dead_rows(self.ledger.lake, head) if head else {}
        comparison = self._comparison(dead, staged)
        difference = comparison.whole(
            [p.id for p in kept],
            table=self.session.table,
            check_keys=bool(self.description.key) and not self.description.unique,
        )
        pieces = [known[p] for p in layout.pieces if p in kept] + [f.state for f in finished]
        made = self._assemble(reading_, dead, staged, difference)
        return Extraction(
            manifest=self._manifest(
                made,
                staged,
                compared=self.moment.now,
                pieces=sorted(pieces, key=lambda s: s.piece.id) if leaves is not None else [],
                next_piece=layout.next_piece,
            ),
            changed=head is None or bool(made.added_rows or made.dead_rows),
            whole=True,
            read_rows=reading_.tally.rows,
            added_rows=made.added_rows,
            dead_rows=made.dead_rows,
            confirmed=len(kept),
            resumed=len(resumed),
        )

    def _confirmed(
        self,
        reading_: Reading,
        known: Mapping[Piece, PieceState],
        earlier: Mapping[Piece, FinishedPiece],
        pieces: Sequence[Piece],
    ) -> tuple[set[Piece], set[Piece]]:
        """Return the pieces the stored rows still stand for, and those an attempt that died has read."""
        kept = reading_.same([known[p] for p in pieces if p in known])
        rest = [earlier[p].state for p in pieces if p in earlier and p not in kept]
        return kept, reading_.same(rest)

    def _follow(self, condition: str) -> Extraction:
        """Read what the watermark says may be new or changed."""
        head = self.head
        assert head is not None
        reading_ = self._reading(1)
        origin = self.description.origin(self.session.source)
        staged = reading_.read_late(origin, condition)
        dead = dead_rows(self.ledger.lake, head)
        difference = self._comparison(dead, staged).changed(table=self.session.table)
        made = self._assemble(reading_, dead, staged, difference)
        return Extraction(
            manifest=self._manifest(
                made,
                staged,
                compared=datetime.fromisoformat(head.compared_at),
                # a row that died was changed at the source: its piece is not what it was
                pieces=[
                    s.model_copy(update={"horizon": None})
                    if s.piece.id in difference.touched
                    else s
                    for s in head.pieces
                ],
                next_piece=head.next_piece,
            ),
            changed=bool(made.added_rows or made.dead_rows),
            whole=False,
            read_rows=reading_.tally.rows,
            added_rows=made.added_rows,
            dead_rows=made.dead_rows,
            confirmed=0,
            resumed=0,
        )

    def _reading(self, pieces: int) -> Reading:
        attempt = Attempt(base=self.head.number if self.head else 0, lineage=self.lineage)
        return Reading(
            session=self.session,
            url=self.url,
            moment=self.moment,
            description=self.description,
            columns=self.columns,
            journal=Journal.begin(self.ledger, attempt),
            stop=self.stop,
            tally=Tally(progress=self.progress, pieces=pieces),
        )

    def _comparison(self, dead: Mapping[int, Rows], staged: list[StagedFile]) -> Comparison:
        return Comparison(
            lake=self.ledger.lake,
            stored=self.head.files if self.head else [],
            dead=dead,
            staged=staged,
        )

    def _assemble(
        self,
        reading_: Reading,
        dead: Mapping[int, Rows],
        staged: list[StagedFile],
        difference: Difference,
    ) -> Assembled:
        return assemble(
            self.ledger.lake,
            reading_.journal.directory,
            self.head,
            dead,
            staged,
            difference,
            reading_.writer,
        )

    def _manifest(
        self,
        made: Assembled,
        staged: Sequence[StagedFile],
        *,
        compared: datetime,
        pieces: list[PieceState],
        next_piece: int,
    ) -> ExtractManifest:
        source, head = self.session.source, self.head
        # numbers of another column mean nothing; of no more than the rows just read they are only low
        same = head is not None and head.followed == source.watermark
        seen = [f.watermark for f in staged] + [head.watermark if head and same else None]
        highest = max((v for v in seen if v is not None), default=None)
        if source.watermark is not None:
            highest = capped(highest, self.description.columns[source.watermark], self.moment.now)
        return ExtractManifest(
            number=head.number + 1 if head else 1,
            definition=self.ledger.definition,
            lineage=self.lineage,
            taken_at=self.moment.now.isoformat(),
            snapshot=self.moment.snapshot,
            compared_at=compared.isoformat(),
            columns={c.name: str(c.kind) for c in self.columns},
            key=self.description.key,
            followed=source.watermark,
            watermark=highest,
            files=made.files,
            pieces=pieces,
            next_file=made.next_file,
            next_piece=next_piece,
        )
