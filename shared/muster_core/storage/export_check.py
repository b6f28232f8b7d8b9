"""What is wrong with an export before anything is sent: columns, names and the kind of its destination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import Problem
from muster_core.exports.capability import unfit
from muster_core.exports.connection import FolderTarget
from muster_core.exports.document import ExportDocument, layout
from muster_core.exports.target import folder_fault
from muster_core.spelling import name_hint
from muster_core.storage.catalog import current_catalog
from muster_core.storage.connection import StoredConnection
from muster_core.storage.definition_table import segment
from muster_core.storage.run_table import membership_version


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSize:
    """How many rows a full delivery of a segment would have now."""

    segment: str
    #: None where it was never published.
    version: int | None
    members: int | None


def segment_sizes(connection: Connection, names: Sequence[str]) -> list[SegmentSize]:
    """Return the sizes of the published versions of these segments, by name."""
    rows = connection.execute(
        sa.select(segment.c.name, segment.c.published_version, membership_version.c.member_count)
        .select_from(segment)
        .outerjoin(
            membership_version,
            sa.and_(
                membership_version.c.segment_id == segment.c.id,
                membership_version.c.version == segment.c.published_version,
            ),
        )
        .where(segment.c.name.in_(names), segment.c.deleted_at.is_(None))
        .order_by(segment.c.name)
    )
    return [
        SegmentSize(segment=r.name, version=r.published_version, members=r.member_count)
        for r in rows
    ]


def column_problems(connection: Connection, document: ExportDocument) -> list[Problem]:
    """Return columns that not every named segment can deliver, and names that are taken."""
    current = current_catalog(connection)
    if current is None:
        return [Problem(message="no catalog is applied yet", hint="Apply the catalog first.")]
    profile = current[1].profile
    extra = _extra_columns(connection, document.segments)
    known = set(profile.columns).union(*extra.values())
    problems = [
        Problem(
            message=_missing(column.column, profile.name, extra),
            pointer=f"/columns/{number}",
            hint=name_hint(column.column, known - {column.column}, "") or None,
        )
        for number, column in enumerate(document.columns)
        if column.column not in profile.columns
        and not all(column.column in columns for columns in extra.values())
    ]
    problems += [
        Problem(
            message=f"`normalise` and `hash` are for text of the profile other than its key, not `{column.column}`",
            pointer=f"/columns/{number}",
        )
        for number, column in enumerate(document.columns)
        if not column.is_plain
        and (profile.columns.get(column.column) != "text" or column.column == current[1].key)
    ]
    headers = [name for name, _ in layout(document, current[1].key)]
    if len(set(headers)) != len(headers):
        problems.append(
            Problem(
                message=f"a column is named like the customer key `{current[1].key}`",
                pointer="/columns",
                hint="Give it another name with `as`.",
            )
        )
    return problems


def _missing(column: str, profile: str, extra: Mapping[str, set[str]]) -> str:
    """Return why a column cannot be delivered for every segment."""
    lacking = sorted(name for name, columns in extra.items() if column not in columns)
    if len(lacking) == len(extra):
        return f"the profile `{profile}` has no column `{column}`"
    return f"not every segment puts out `{column}`: {', '.join(lacking)} does not"


def _extra_columns(connection: Connection, names: Sequence[str]) -> dict[str, set[str]]:
    """Return the names of the extra columns that each segment puts out."""
    documents = connection.scalars(
        sa.select(segment.c.document).where(
            segment.c.name.in_(names), segment.c.deleted_at.is_(None)
        )
    )
    return {
        document["name"]: {c.get("as") or c["column"] for c in document.get("project", [])}
        for document in documents
    }


def target_problems(document: ExportDocument, named: StoredConnection | None) -> list[Problem]:
    """Return what the destination cannot do; `named` is the connection, None where a folder stands in place."""
    if named is None:
        fault = folder_fault(document.target)
        problems = [Problem(message=fault, pointer="/connection/path")] if fault else []
        return [*problems, *unfit(document, "folder")]
    target = named.target
    if isinstance(target, FolderTarget) and (fault := folder_fault(target.path)):
        return [Problem(message=fault, pointer="/connection")]
    return unfit(document, target.kind)
