"""How a source is cut into pieces: ranges of pages for tables, ranges of the key for queries and views."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from muster_core.extract.description import Description
from muster_core.extract.manifest import Piece, PieceState
from muster_core.extract.session import Session
from muster_core.extract.type import quote, quote_text

#: Pages of one piece: 64 MiB of a table, about half a million rows.
PIECE_PAGES = 8_192

#: Rows of a query that are worth a piece of their own, and the most pieces of a query.
PIECE_ROWS = 250_000
MOST_PIECES = 16

_LEAVES = """
WITH RECURSIVE tree(oid) AS (
    SELECT %s::oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT format('%%I.%%I', n.nspname, c.relname), c.relkind::text,
       coalesce(pg_relation_filenode(c.oid), 0)::bigint,
       pg_relation_size(c.oid) / current_setting('block_size')::bigint,
       has_table_privilege(c.oid, 'SELECT') AND NOT c.relrowsecurity, coalesce(a.amname = 'heap', true)
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am a ON a.oid = c.relam
ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One physical table of a source."""

    relation: str
    filenode: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The pieces of a source and the next number of one; `leaves` is None where pages mean nothing."""

    leaves: list[Leaf] | None
    pieces: list[Piece]
    next_piece: int


def find_leaves(session: Session, description: Description) -> list[Leaf] | None:
    """Return the physical tables of a source; None: it must be read through its own name.

    That is so for views and foreign tables, and where row policies or rights belong to the parent only.
    """
    relation = description.relation
    if relation is None or relation.kind not in ("r", "p", "m"):
        return None
    leaves = []
    for name, kind, filenode, pages, readable, heap in session.rows(_LEAVES, [relation.oid]):
        if not readable or not heap or kind not in ("r", "p", "m"):
            return None
        if kind != "p":
            leaves.append(Leaf(relation=name, filenode=filenode, pages=pages))
    return leaves


def lay_out(
    session: Session,
    description: Description,
    leaves: list[Leaf] | None,
    known: Iterable[PieceState],
    next_piece: int,
    *,
    pages: int = PIECE_PAGES,
) -> Layout:
    """Cut a source; pieces known from the last time keep their numbers while they lie where they lay."""
    if leaves is None:
        conditions = _key_ranges(session, description)
        pieces = [
            Piece(id=next_piece + number, condition=condition)
            for number, condition in enumerate(conditions)
        ]
        return Layout(leaves=None, pieces=pieces, next_piece=next_piece + len(pieces))
    pieces = []
    states = list(known)
    for leaf in leaves:
        place = (leaf.relation, leaf.filenode)
        old = [s.piece for s in states if (s.piece.relation, s.piece.filenode) == place]
        cut, next_piece = _cut(leaf, sorted(old, key=lambda p: p.first), next_piece, pages)
        pieces += cut
    return Layout(leaves=leaves, pieces=pieces, next_piece=next_piece)


def _cut(leaf: Leaf, old: list[Piece], number: int, pages: int) -> tuple[list[Piece], int]:
    pieces = list(old)
    if pieces and pieces[-1].end - pieces[-1].first < pages:
        # the last one grows until it is full; its rows still all lie in it
        last = pieces.pop()
        end = max(last.end, min(last.first + pages, leaf.pages))
        pieces.append(last.model_copy(update={"end": end}))
    start = pieces[-1].end if pieces else 0
    for first in range(start, leaf.pages, pages):
        pieces.append(
            Piece(
                id=number,
                relation=leaf.relation,
                filenode=leaf.filenode,
                first=first,
                end=min(first + pages, leaf.pages),
            )
        )
        number += 1
    return pieces, number


def _key_ranges(session: Session, description: Description) -> list[str]:
    """Return conditions that split the rows by the first key column into parts of like size."""
    if not description.key or session.source.parallel == 1:
        return [""]
    name = description.key[0]
    if not (
        description.columns[name].kind.is_time or description.columns[name].kind.kind in _ORDERED
    ):
        return [""]
    key = quote(name)
    if description.columns[name].expression != key:
        return [""]
    shares = ", ".join(f"{i / MOST_PIECES}" for i in range(1, MOST_PIECES))
    origin = description.origin(session.source)
    ((count, found),) = session.rows(
        f"SELECT count(*), (percentile_disc(ARRAY[{shares}]) WITHIN GROUP (ORDER BY {key}))::text[] "  # noqa: S608
        f"FROM {origin}"
    )
    wanted = min(MOST_PIECES, -(-count // PIECE_ROWS))
    if wanted < 2 or not found:
        return [""]
    steps = [found[i * MOST_PIECES // wanted - 1] for i in range(1, wanted)]
    bounds = [quote_text(text) for text in dict.fromkeys(steps) if text is not None]
    if not bounds:
        return [""]
    between = [f"{key} >= {a} AND {key} < {b}" for a, b in pairwise(bounds)]
    return [f"{key} < {bounds[0]}", *between, f"({key} >= {bounds[-1]} OR {key} IS NULL)"]


_ORDERED = frozenset({"integer", "text", "decimal"})


def piece_origin(piece: Piece, description: Description, session: Session) -> tuple[str, str]:
    """Return what stands behind FROM and WHERE to read a piece."""
    if not piece.relation:
        return description.origin(session.source), piece.condition
    return f"ONLY {piece.relation} AS q", page_range(piece)


def page_range(piece: Piece) -> str:
    """Return the condition for the rows on a piece's pages."""
    return f"q.ctid >= '({piece.first},0)'::tid AND q.ctid < '({piece.end},0)'::tid"
