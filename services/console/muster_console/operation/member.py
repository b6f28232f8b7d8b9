"""Reading the members of a published version: the first few, or all of them into a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster_console.operation.workspace import Workspace, required_catalog
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import Format
from muster_core.lake.members import Output, first_members, write_members
from muster_core.rules.document import parse_segment
from muster_core.spelling import nearest_names
from muster_core.storage import audit
from muster_core.storage.database import transaction
from muster_core.storage.membership import Membership, published_membership


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPage:
    """Some members of one version, one mapping of column to value each, the key first."""

    version: Membership
    columns: list[str]
    members: list[dict[str, Any]]


def look_at_members(
    workspace: Workspace, name: str, *, columns: Sequence[str], limit: int
) -> MemberPage:
    """Return the first members of the segment's latest version.

    Raises:
        NotFound: there is no such segment.
        Conflict: it was never published.
        InvalidInput: a column is neither in the profile nor put out by the segment.
    """
    version = _published(workspace, name, columns)
    table = first_members(
        workspace.lake,
        version.snapshot,
        version.snapshot_sha256,
        version.pointer,
        columns,
        limit=limit,
        output=_output(version),
    )
    _record(workspace, "members.viewed", name, version, columns, len(table))
    return MemberPage(version=version, columns=table.column_names, members=table.to_pylist())


def download_members(
    workspace: Workspace, name: str, *, columns: Sequence[str], to: Path, form: Format | None
) -> int:
    """Write all members of the latest version to the file `to`, whole or not at all; return how many.

    The end of the file's name decides the format where `form` is None.

    Raises:
        NotFound, Conflict: as for `look_at_members`.
        InvalidInput: the format is not clear, or the folder does not exist.
    """
    chosen = form or _form(to)
    if not to.absolute().parent.is_dir():
        raise _wrong(f"the folder {to.absolute().parent} does not exist", "Make it first.")
    version = _published(workspace, name, columns)
    rows = write_members(
        workspace.lake,
        version.snapshot,
        version.snapshot_sha256,
        version.pointer,
        columns,
        path=to.absolute(),
        form=chosen,
        output=_output(version),
    )
    _record(workspace, "members.downloaded", name, version, columns, rows)
    return rows


def _record(
    workspace: Workspace,
    action: str,
    name: str,
    version: Membership,
    columns: Sequence[str],
    rows: int,
) -> None:
    """Record who looked at what, without any of it."""
    detail = {"version": version.version, "columns": list(columns), "rows": rows}
    with transaction(workspace.database) as connection:
        audit.record(connection, workspace.actor, action, name, detail)


def _output(version: Membership) -> Output:
    return Output(document=parse_segment(version.definition), as_of=version.as_of)


def _published(workspace: Workspace, name: str, columns: Sequence[str]) -> Membership:
    with transaction(workspace.database) as connection:
        version = published_membership(connection, name)
        known = [*required_catalog(connection).profile.columns, *_extra(version)]
    problems = [
        Problem(message=f"there is no column `{column}` to show", hint=_nearest(column, known))
        for column in columns
        if column not in known
    ]
    if problems:
        raise InvalidInput(problems)
    return version


def _extra(version: Membership) -> list[str]:
    """Return the names of the extra columns that the segment puts out."""
    return [column.as_ or column.column for column in parse_segment(version.definition).project]


def _nearest(column: str, known: Iterable[str]) -> str | None:
    near = nearest_names(column, known)
    return f"did you mean {', '.join(near)}?" if near else None


def _form(to: Path) -> Format:
    # The longest end first: .csv.gz ends in neither .csv nor .parquet, but that may change.
    for form in sorted(Format, key=len, reverse=True):
        if to.name.endswith(f".{form}"):
            return form
    raise _wrong(f"the format of {to.name} is not clear", "Name it with --format.")


def _wrong(message: str, hint: str) -> InvalidInput:
    return InvalidInput([Problem(message=message, hint=hint)])
