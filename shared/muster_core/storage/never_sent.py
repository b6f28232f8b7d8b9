"""Whose members an export never sends: versions of its suppression segments, pinned for each delivery."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.exports.claim import NeverSent
from muster_core.lake.manifest import Pointer
from muster_core.storage.definition_table import segment
from muster_core.storage.export_table import delivery
from muster_core.storage.run_table import membership_pointer


def pin_never_sent(connection: Connection, delivery_id: int) -> None:
    """Choose the versions whose members a delivery leaves out, once: every later attempt leaves out the same.

    They are chosen again where one was not known yet, or is no longer kept.
    """
    row = connection.execute(
        sa.select(delivery.c.document, delivery.c.suppressed).where(delivery.c.id == delivery_id)
    ).one()
    names = row.document.get("suppress", [])
    if not isinstance(names, list) or not names:
        return
    if row.suppressed is not None and all(s.pointer for s in never_sent(connection, row)):
        return
    found = connection.execute(
        sa.select(segment.c.name, segment.c.id, segment.c.published_version).where(
            segment.c.name.in_([str(name) for name in names]), segment.c.deleted_at.is_(None)
        )
    )
    known = {r.name: (r.id, r.published_version) for r in found}
    pinned = [[name, *known.get(name, (None, None))] for name in names]
    connection.execute(
        delivery.update().where(delivery.c.id == delivery_id).values(suppressed=pinned)
    )


def never_sent(connection: Connection, row: Any) -> tuple[NeverSent, ...]:
    """Return what was pinned for a delivery; `row` has its column `suppressed`."""
    return tuple(
        NeverSent(segment=name, pointer=_pointer(connection, segment_id, version))
        for name, segment_id, version in row.suppressed or ()
    )


def _pointer(connection: Connection, segment_id: int | None, version: int | None) -> Pointer | None:
    table = membership_pointer
    row = connection.execute(
        sa.select(table.c.manifest, table.c.manifest_sha256, table.c.bit).where(
            table.c.segment_id == segment_id, table.c.version == version
        )
    ).one_or_none()
    if row is None:
        return None
    return Pointer(manifest=row.manifest, manifest_sha256=row.manifest_sha256, bit=row.bit)
