"""Reading the members of a published version: the first few, or all of them into a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from muster_console.operation.erasure import erased_customers
from muster_console.operation.file import file_format
from muster_console.operation.remote import over
from muster_console.operation.server import path_of
from muster_console.operation.workspace import RemoteWorkspace, Workspace, required_catalog
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.exports.document import Format
from muster_core.lake.members import Output, first_members, write_members
from muster_core.lake.store import Store
from muster_core.rules.document import parse_segment
from muster_core.spelling import nearest_names
from muster_core.storage import audit
from muster_core.storage.database import transaction
from muster_core.storage.membership import Membership, published_membership
from muster_core.storage.service_setting import service_settings
from muster_core.storage.snapshot import read_head

#: In which the REST API says how many members a file holds.
ROWS_HEADER = "X-Muster-Rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVersion:
    """The version whose members are looked at."""

    version: int
    member_count: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPage:
    """Some members of one version, one mapping of column to value each, the key first."""

    version: SeenVersion
    columns: list[str]
    members: list[dict[str, Any]]
    #: How many members come before these, and whether there are more behind.
    skipped: int
    more: bool


@over("GET", "/segments/{name}/members", read=lambda answer: _page_of(answer))
def look_at_members(
    workspace: Workspace,
    name: str,
    *,
    columns: Sequence[str],
    limit: int,
    version: int | None = None,
    skip: int = 0,
    search: str = "",
) -> MemberPage:
    """Return some members of a version of the segment, by default the first ones of the latest; it is recorded.

    Args:
        workspace: where.
        name: the segment.
        columns: what is shown beside the key and the segment's own columns.
        limit: how many at most.
        version: which one; the members of a version and their order never change.
        skip: how many members to leave out.
        search: only members whose key, as text, holds it.

    Where the data a past version was computed from is gone, columns are told as they are now, those that the
    segment computes are left out, and members that are gone since are missing.

    Raises:
        NotFound: there is no such segment or version.
        Conflict: it was never published, or the members of this version are no longer kept.
        InvalidInput: a column is neither in the profile nor put out by the segment, or `limit` is more
            than one look may show.
    """
    _require_few(workspace, limit)
    found = _published(workspace, name, columns, version)
    snapshot, output = _readable(workspace, found)
    table = first_members(
        workspace.lake,
        *snapshot,
        found.pointer,
        columns,
        limit=limit + 1,
        skip=skip,
        search=search,
        output=output,
        erased=erased_customers(workspace),
    )
    shown = table.slice(0, limit)
    _record(workspace, "members.viewed", name, found, columns, len(shown))
    return MemberPage(
        version=SeenVersion(
            version=found.version, member_count=found.member_count, as_of=found.as_of
        ),
        columns=table.column_names,
        members=shown.to_pylist(),
        skipped=skip,
        more=len(table) > limit,
    )


def _readable(workspace: Workspace, version: Membership) -> tuple[tuple[str, str], Output | None]:
    """Return the snapshot (path and SHA-256) that a version's members are read from."""
    if not version.expired:
        return (version.snapshot, version.snapshot_sha256), _output(version)
    with transaction(workspace.database) as connection:
        head = read_head(connection).snapshot
    assert head is not None  # a version has been computed from a snapshot
    now = Store.open(workspace.lake, head.manifest, head.manifest_sha256)
    was = Store.open(workspace.lake, version.snapshot, version.snapshot_sha256)
    if now.manifest.generation != was.manifest.generation:
        raise Conflict(
            f"The data that version {version.version} was computed from is gone,"
            " and customers have been numbered anew since."
        )
    return (head.manifest, head.manifest_sha256), None


def _page_of(answer: Mapping[str, Any]) -> MemberPage:
    seen = SeenVersion(
        version=answer["version"],
        member_count=answer["count"],
        as_of=datetime.fromisoformat(answer["as_of"]),
    )
    return MemberPage(
        version=seen,
        columns=answer["columns"],
        members=answer["members"],
        skipped=answer["skipped"],
        more=answer["next"] is not None,
    )


def _require_few(workspace: Workspace, limit: int) -> None:
    with transaction(workspace.database) as connection:
        most = service_settings(connection, workspace.settings).members_previewed
    if limit > most:
        hint = "download all of them, or ask an administrator for `members_previewed`"
        message = f"one look shows at most {most:,} members"
        raise InvalidInput([Problem(message=message, pointer="/query/limit", hint=hint)])


def download_members(
    workspace: Workspace, name: str, *, columns: Sequence[str], to: Path, form: Format | None
) -> int:
    """Write all members of the latest version to the file `to`, whole or not at all; return how many.

    The end of the file's name decides the format where `form` is None.

    Raises:
        NotFound, Conflict: as for `look_at_members`.
        InvalidInput: the format is not clear, or the folder does not exist.
    """
    chosen = form or file_format(to)
    if not to.absolute().parent.is_dir():
        raise _wrong(f"the folder {to.absolute().parent} does not exist", "Make it first.")
    if isinstance(workspace, RemoteWorkspace):
        path = path_of("/segments/{name}/download", {"name": name})
        query = {"format": chosen, "columns": columns}
        headers = workspace.server.save(path, query=query, to=to.absolute())
        return int(headers[ROWS_HEADER])
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
        erased=erased_customers(workspace),
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


def _published(
    workspace: Workspace, name: str, columns: Sequence[str], number: int | None = None
) -> Membership:
    with transaction(workspace.database) as connection:
        version = published_membership(connection, name, number)
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


def _wrong(message: str, hint: str) -> InvalidInput:
    return InvalidInput([Problem(message=message, hint=hint)])
