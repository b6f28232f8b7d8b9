"""Whether a piece still has the rows it had, asked of the server without fetching them.

Every row version on its pages names the transaction that wrote it. If all of them were written before the
oldest transaction that was still open at the earlier reading, each was there then; if there are as many as
then, none has gone. Anything else counts as changed, and so does what cannot be told.
"""

from __future__ import annotations

from muster_core.extract.manifest import PieceState
from muster_worker.extract.layout import page_range
from muster_worker.extract.stream import Stream

#: Transaction numbers are compared in 32 bits: farther apart than this they mean nothing.
_COMPARABLE = 1 << 31


def is_same(stream: Stream, state: PieceState, newest: int) -> bool:
    """Whether a piece has exactly the rows it had; `newest` is the next transaction of the server.

    Raises:
        MusterError: the server failed.
    """
    piece, horizon = state.piece, state.horizon
    if horizon is None or not piece.relation or newest - horizon >= _COMPARABLE:
        return False
    old = f"'{horizon % (1 << 32)}'::xid"
    count, late = stream.row(
        f"SELECT count(*), count(*) FILTER (WHERE age(q.xmin) <= age({old})) "  # noqa: S608
        f"FROM ONLY {piece.relation} AS q WHERE {page_range(piece)}"
    )
    return bool(count == state.rows and late == 0)
