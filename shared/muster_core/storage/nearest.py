"""Finds segments by name, and says which names come near where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import NotFound
from muster_core.spelling import nearest_names
from muster_core.storage.definition_table import segment


def require_segments(connection: Connection, names: Sequence[str]) -> None:
    """Check that every name is a segment's.

    Raises:
        NotFound: some are not; the message names them and what comes near.
    """
    known = set(connection.scalars(sa.select(segment.c.name).where(segment.c.deleted_at.is_(None))))
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if not missing:
        return
    near = sorted({n for name in missing for n in nearest_names(name, known)})
    listed = ", ".join(f"`{name}`" for name in missing[:10])
    raise NotFound(
        f"There is no segment {listed}{' and more' if len(missing) > 10 else ''}.",
        hint=f"Did you mean {', '.join(f'`{n}`' for n in near[:5])}?"
        if near
        else "`muster segment list` shows all.",
    )
