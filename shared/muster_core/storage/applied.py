"""What `muster apply` last said of each segment, measure and export: what stands otherwise was changed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.storage.definition_table import applied_document

#: The kind of a thing, ``segment``, ``measure`` or ``export``, and its name.
Thing = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was applied, by whom and when."""

    document: dict[str, Any]
    actor: str
    at: datetime


def read_applied(connection: Connection) -> dict[Thing, Applied]:
    """Return everything that was ever applied from files."""
    rows = connection.execute(sa.select(applied_document))
    return {
        (row.kind, row.name): Applied(document=row.document, actor=row.actor, at=row.applied_at)
        for row in rows
    }


def note_applied(
    connection: Connection, documents: Mapping[Thing, dict[str, Any]], *, actor: str
) -> None:
    """Note that files said this of these things; where they said the same before, nothing changes."""
    for (kind, name), document in documents.items():
        noted = insert(applied_document).values(
            kind=kind, name=name, document=document, actor=actor
        )
        connection.execute(
            noted.on_conflict_do_update(
                index_elements=["kind", "name"],
                set_={
                    "document": noted.excluded.document,
                    "actor": noted.excluded.actor,
                    "applied_at": sa.func.clock_timestamp(),
                },
                where=applied_document.c.document != noted.excluded.document,
            )
        )
