"""Measures in the control database: their document and its revisions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from muster_core.errors import Conflict, NotFound
from muster_core.rules.canonical import canonical_text
from muster_core.rules.document import SegmentDocument
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.reference import measures_of
from muster_core.spelling import name_hint
from muster_core.storage.definition_table import measure, measure_revision
from muster_core.storage.reference import lock_saving
from muster_core.storage.segment import Change, list_segments

_USERS_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRecord:
    """A measure as it is stored; `digest` changes with what it means, not with its description."""

    id: int
    name: str
    #: None where this release cannot read what is stored.
    document: MeasureDocument | None
    stored: dict[str, Any]
    digest: str
    rev: int
    created_at: datetime
    updated_at: datetime
    #: When clean-up found that nothing uses it; None while it is in use.
    deactivated_at: datetime | None = None


def measure_digest(document: MeasureDocument) -> str:
    """Return the SHA-256 of what a measure means."""
    meaning = document.by.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return hashlib.sha256(canonical_text(meaning).encode()).hexdigest()


def apply_measures(
    connection: Connection, documents: Sequence[MeasureDocument]
) -> list[tuple[str, Change]]:
    """Create the measures or bring them to what the documents say; return (name, what happened)."""
    if documents:
        lock_saving(connection)
    return [(document.name, _apply(connection, document)) for document in documents]


def _apply(connection: Connection, document: MeasureDocument) -> Change:
    row = {
        "document": document.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "digest": measure_digest(document),
    }
    known = connection.execute(
        sa.select(measure).where(measure.c.name == document.name)
    ).one_or_none()
    if known is None:
        created = connection.execute(
            insert(measure).values(name=document.name, **row).returning(measure.c.id)
        ).scalar_one()
        _keep_revision(connection, created, 1, row)
        return "created"
    if known.deleted_at is None and known.document == row["document"]:
        if known.deactivated_at is None:
            return "unchanged"
        # the definition is the same; that it is wanted is what is new
        back = measure.update().where(measure.c.id == known.id)
        now = sa.func.clock_timestamp()
        connection.execute(back.values(deactivated_at=None, updated_at=now))
        return "changed"
    connection.execute(
        measure.update()
        .where(measure.c.id == known.id)
        .values(
            **row,
            rev=known.rev + 1,
            updated_at=sa.func.clock_timestamp(),
            deleted_at=None,
            deactivated_at=None,
        )
    )
    _keep_revision(connection, known.id, known.rev + 1, row)
    return "created" if known.deleted_at is not None else "changed"


def list_measures(
    connection: Connection, names: Collection[str] | None = None
) -> list[MeasureRecord]:
    """Return the measures of these names, or all that are not deleted, by name."""
    query = sa.select(measure).where(measure.c.deleted_at.is_(None)).order_by(measure.c.name)
    if names is not None:
        query = query.where(measure.c.name.in_(names))
    return [_record(row) for row in connection.execute(query).mappings()]


def get_measure(connection: Connection, name: str) -> MeasureRecord:
    """Return one measure.

    Raises:
        NotFound: there is none of that name; the hint names the nearest ones.
    """
    found = list_measures(connection, [name])
    if found:
        return found[0]
    known = [record.name for record in list_measures(connection)]
    raise NotFound(
        f"There is no measure `{name}`.",
        hint=name_hint(name, known, "`muster measure list` shows all."),
    )


def measure_at(connection: Connection, name: str, rev: int) -> MeasureDocument:
    """Return a measure as it was defined at a revision, deleted or not.

    Raises:
        NotFound: there is no such revision.
        Conflict: this release cannot read it.
    """
    stored = connection.scalar(
        sa.select(measure_revision.c.document)
        .join(measure, measure.c.id == measure_revision.c.measure_id)
        .where(measure.c.name == name, measure_revision.c.rev == rev)
    )
    if stored is None:
        raise NotFound(f"The measure `{name}` has no revision {rev}.")
    try:
        return MeasureDocument.model_validate(stored)
    except ValidationError as exc:
        raise Conflict(f"Revision {rev} of the measure `{name}` cannot be read.") from exc


def segments_using(connection: Connection, name: str) -> list[str]:
    """Return the names of the segments, drafts left out, whose rules use the measure."""
    return [
        record.name
        for record in list_segments(connection)
        if record.state != "draft" and record.document and _uses(record.document, name)
    ]


def delete_measure(connection: Connection, name: str) -> None:
    """Delete a measure that no segment uses; its revisions stay.

    Raises:
        NotFound: there is no such measure.
        Conflict: segments use it; the message names them.
    """
    lock_saving(connection)
    found = get_measure(connection, name)
    users = segments_using(connection, name)
    if users:
        listed = ", ".join(f"`{user}`" for user in users[:_USERS_NAMED])
        more = f" and {len(users) - _USERS_NAMED} more" if len(users) > _USERS_NAMED else ""
        raise Conflict(
            f"The measure `{name}` is used by {listed}{more}.",
            hint="Take it out of these segments first.",
        )
    connection.execute(
        measure.update()
        .where(measure.c.id == found.id)
        .values(deleted_at=sa.func.clock_timestamp())
    )


def _uses(document: SegmentDocument, name: str) -> bool:
    return name in measures_of(document)


def _record(row: sa.RowMapping) -> MeasureRecord:
    try:
        document = MeasureDocument.model_validate(row["document"])
    except ValidationError:
        document = None
    return MeasureRecord(
        id=row["id"],
        name=row["name"],
        document=document,
        stored=row["document"],
        digest=row["digest"],
        rev=row["rev"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deactivated_at=row["deactivated_at"],
    )


def _keep_revision(connection: Connection, measure_id: int, rev: int, row: dict[str, Any]) -> None:
    connection.execute(
        measure_revision.insert().values(
            measure_id=measure_id, rev=rev, document=row["document"], digest=row["digest"]
        )
    )
