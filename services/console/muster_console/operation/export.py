"""Applying exports, asking for deliveries, looking at both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import Connection

from muster_console.operation.file import document_files, read_file, repeated
from muster_console.operation.remote import names_of, over
from muster_console.operation.revision import require_revision
from muster_console.operation.workspace import Workspace
from muster_core.documents.text import Written, read_text
from muster_core.errors import Conflict, InvalidInput, Problem
from muster_core.exports.document import ExportDocument, parse_export
from muster_core.exports.state import DeliveryState
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.security.role import Permission
from muster_core.storage import audit, delivery_control, export
from muster_core.storage.connection import get_connection
from muster_core.storage.database import transaction
from muster_core.storage.export import StoredExport
from muster_core.storage.export_check import SegmentSize, segment_sizes
from muster_core.storage.export_request import RequestedDelivery, request_delivery
from muster_core.storage.nearest import require_segments
from muster_core.storage.reference import lock_saving

Control = Literal["held", "released", "cancelled", "repeated"]
#: What the REST API calls them.
VERBS: Mapping[Control, str] = {
    "held": "hold",
    "released": "release",
    "cancelled": "cancel",
    "repeated": "redeliver",
}
_REQUESTED: TypeAdapter[RequestedDelivery] = TypeAdapter(RequestedDelivery)
_CONTROLS: Mapping[Control, Callable[..., DeliveryState]] = {
    "held": delivery_control.hold_delivery,
    "released": delivery_control.resume_delivery,
    "cancelled": delivery_control.cancel,
    "repeated": delivery_control.redeliver,
}


def read_exports(path: Path) -> list[ExportDocument]:
    """Read the export documents of a file or folder; relative paths are taken from their file.

    Raises:
        InvalidInput: with every problem of every document, and names that stand twice.
    """
    documents: list[ExportDocument] = []
    written: list[Written] = []
    problems: list[Problem] = []
    for file in document_files(path):
        try:
            found = read_text(read_file(file), file=str(file))
        except InvalidInput as exc:
            problems += exc.problems
            continue
        if not found:
            problems.append(Problem(message="the file holds no export", file=str(file)))
        written += found
    try:
        documents = read_written_exports(written)
    except InvalidInput as exc:
        problems += exc.problems
    if problems:
        raise InvalidInput(problems)
    return documents


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedExport:
    """What would keep an export from being applied, and how many rows each of its segments has now."""

    name: str
    problems: list[Problem]
    segments: list[SegmentSize]


def apply_exports(workspace: Workspace, path: Path) -> list[tuple[str, str]]:
    """Create or change the exports of a file or folder, all or none; return (name, what happened).

    Raises:
        InvalidInput, NotFound: as for `apply_export_documents`.
    """
    return apply_export_documents(workspace, read_exports(path))


@over("POST", "/exports", read=names_of("change"))
def apply_export_documents(
    workspace: Workspace,
    documents: Sequence[ExportDocument],
    *,
    expected: Mapping[str, int] | None = None,
) -> list[tuple[str, str]]:
    """Create or change exports, all or none; return (name, what happened).

    `expected` names the revision that exports must still have, 0 for one that must not exist.

    Raises:
        InvalidInput: with every problem, destinations that whoever asks may not name among them.
        NotFound: an export names a segment that does not exist.
        ChangedMeanwhile: an export is not at the revision expected.
    """
    with transaction(workspace.database) as connection:
        # nobody else saves between what is looked at here and what is written
        lock_saving(connection)
        if expected:
            stored = {e.name: e.updated_at for e in export.list_exports(connection)}
            for name, rev in expected.items():
                require_revision(f"The export `{name}`", stored.get(name), rev)
        return bring_exports(connection, workspace, documents)


def bring_exports(
    connection: Connection, workspace: Workspace, documents: Sequence[ExportDocument]
) -> list[tuple[str, str]]:
    """Do in a transaction of the caller what `apply_exports` does, which says what is raised."""
    changes = [(d.name, export.apply_export(connection, d)) for d in documents]
    _require_reach(workspace, connection, documents)
    for name, change in changes:
        if change != "unchanged":
            audit.record(connection, workspace.actor, f"export.{change}", name)
    return [(name, str(change)) for name, change in changes]


def read_written_exports(
    found: Sequence[Written], *, folders: Mapping[str, Path | None] | None = None
) -> list[ExportDocument]:
    """Read export documents from what was written; relative paths are taken from the folder of their file.

    `folders` names these folders for files that were sent; where there is none, paths must be absolute.

    Raises:
        InvalidInput: with every problem of every document.
    """
    documents: list[ExportDocument] = []
    problems: list[Problem] = []
    for written in found:
        try:
            here = Path(written.file).absolute().parent
            folder = here if folders is None else folders.get(written.file)
            documents.append(parse_export(_absolute(written.data, folder)))
        except InvalidInput as exc:
            problems += [written.place(problem) for problem in exc.problems]
    problems += repeated(found)
    if problems:
        raise InvalidInput(problems)
    return documents


def _require_reach(
    workspace: Workspace, connection: Connection, documents: Sequence[ExportDocument]
) -> None:
    """Make sure that whoever asks may deliver to where the documents say."""
    principal = workspace.principal
    if principal is None or principal.allows(Permission.ADMINISTER):
        return
    problems = [
        Problem(
            message=f"only administrators may let `{document.name}` deliver there",
            pointer="/connection",
            hint="an administrator can set `contributors: true` in the document of a connection",
        )
        for document in documents
        if not isinstance(document.connection, str)
        or not get_connection(connection, document.connection).target.contributors
    ]
    if problems:
        raise InvalidInput(problems)


def check_exports(workspace: Workspace, path: Path) -> list[CheckedExport]:
    """Look at the exports of a file or folder without changing anything.

    Raises:
        InvalidInput: a document cannot be read.
        NotFound: an export names a segment or a connection that does not exist.
    """
    return check_export_documents(workspace, read_exports(path))


@over("POST", "/exports/check")
def check_export_documents(
    workspace: Workspace, documents: Sequence[ExportDocument]
) -> list[CheckedExport]:
    """Look at exports without changing anything.

    Raises:
        NotFound: an export names a segment or a connection that does not exist.
    """
    with transaction(workspace.database) as connection:
        return [
            CheckedExport(
                name=document.name,
                problems=export.find_problems(connection, document),
                segments=segment_sizes(connection, document.segments),
            )
            for document in documents
        ]


@over("DELETE", "/exports/{name}", at="deliveries")
def delete_export(workspace: Workspace, name: str) -> int:
    """Remove an export with its history and return how many deliveries those were.

    Raises:
        NotFound: there is no such export.
        Conflict: one of its deliveries is running.
    """
    with transaction(workspace.database) as connection:
        removed = export.delete_export(connection, name)
        audit.record(connection, workspace.actor, "export.deleted", name)
    return removed


def change_segments(workspace: Workspace, name: str, segment: str, *, add: bool) -> str:
    """Add a segment to an export, or take it out; return what happened.

    Raises:
        NotFound: there is no such export or segment.
        Conflict: it would leave the export without a segment.
        InvalidInput: the export does not fit the segment.
    """
    return (_add_segment if add else _remove_segment)(workspace, name, segment)


@over("PUT", "/exports/{name}/segments/{segment}", at="change")
def _add_segment(workspace: Workspace, name: str, segment: str) -> str:
    return _change_segments(workspace, name, segment, add=True)


@over("DELETE", "/exports/{name}/segments/{segment}", at="change")
def _remove_segment(workspace: Workspace, name: str, segment: str) -> str:
    return _change_segments(workspace, name, segment, add=False)


def _change_segments(workspace: Workspace, name: str, segment: str, *, add: bool) -> str:
    with transaction(workspace.database) as connection:
        # two that add at once would each write the list they read
        lock_saving(connection)
        stored = export.get_export(connection, name)
        segments = list(stored.document.segments)
        if segment not in segments:
            require_segments(connection, [segment])
            segments += [segment] if add else []
        elif not add:
            segments.remove(segment)
        if not segments:
            raise Conflict(
                f"`{segment}` is the only segment of the export `{name}`.",
                hint=f"Remove the export: `muster export delete {name}`.",
            )
        # what was left out of the document stays left out
        written = stored.document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        changed = parse_export({**written, "segments": segments})
        change = export.apply_export(connection, changed)
        _require_reach(workspace, connection, [changed])
        if change != "unchanged":
            audit.record(connection, workspace.actor, f"export.{change}", name)
    return str(change)


@over(
    "GET",
    "/segments/{segment}/exports",
    read=lambda answer: [(e["export"], e["contains"]) for e in answer],
)
def exports_of(workspace: Workspace, segment: str) -> list[tuple[str, bool]]:
    """Return every export by name, and whether it contains the segment."""
    with transaction(workspace.database) as connection:
        require_segments(connection, [segment])
        found = export.list_exports(connection)
    return [(e.name, segment in e.document.segments) for e in found]


@over("POST", "/deliveries/{delivery_id}/{what}", values={"what": VERBS}, at="state")
def control_delivery(workspace: Workspace, delivery_id: int, what: Control) -> str:
    """Hold, release, cancel or repeat one delivery, and return its state then.

    Raises:
        NotFound: there is no such delivery.
        Conflict: its state does not allow it.
    """
    with transaction(workspace.database) as connection:
        state = _CONTROLS[what](connection, delivery_id, actor=workspace.actor)
        audit.record(connection, workspace.actor, f"delivery.{what}", str(delivery_id))
    send_hint(workspace.settings, Hint.DELIVER)
    return str(state)


@over("GET", "/exports", pages="cursor")
def list_exports(workspace: Workspace) -> list[StoredExport]:
    """Return every export by name."""
    with transaction(workspace.database) as connection:
        return export.list_exports(connection)


@over("GET", "/exports/{name}", at="export")
def get_export(workspace: Workspace, name: str) -> StoredExport:
    """Return one export.

    Raises:
        NotFound: there is none of that name.
    """
    with transaction(workspace.database) as connection:
        return export.get_export(connection, name)


@over(
    "POST",
    "/exports/deliver",
    read=lambda answer: [
        (one["export"], _REQUESTED.validate_python(one["delivery"])) for one in answer
    ],
)
def deliver_all(workspace: Workspace) -> list[tuple[str, RequestedDelivery]]:
    """Ask for the latest versions of every export, switched off or not; return (export, what came of it).

    Exports whose connection was taken away have nowhere to go and are left out.
    """
    with transaction(workspace.database) as connection:
        requested = []
        for stored in export.list_exports(connection):
            if stored.connection_id is None and stored.document.folder is None:
                continue
            found = request_delivery(connection, stored.name, actor=workspace.actor)
            requested += [(stored.name, one) for one in found]
            audit.record(connection, workspace.actor, "export.delivery_requested", stored.name)
    send_hint(workspace.settings, Hint.DELIVER)
    return requested


@over("POST", "/exports/{name}/deliver")
def deliver(workspace: Workspace, name: str) -> list[RequestedDelivery]:
    """Ask for the latest version of each segment of an export, and wake the exporter.

    Raises:
        NotFound: there is no such export.
    """
    with transaction(workspace.database) as connection:
        requested = request_delivery(connection, name, actor=workspace.actor)
        audit.record(connection, workspace.actor, "export.delivery_requested", name)
    send_hint(workspace.settings, Hint.DELIVER)
    return requested


def _absolute(data: Any, folder: Path | None) -> Any:
    """Return the document with its folder's path made absolute; anything else is left to the checks."""
    match data:
        case {"connection": {"path": str(path), **connection}, **rest} if folder is not None:
            # what no path can hold is left to the checks as well
            target = path if "\0" in path else str((folder / path).resolve())
            return {**rest, "connection": {**connection, "path": target}}
        case _:
            return data
