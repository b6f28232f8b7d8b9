"""Applying exports, asking for deliveries, looking at both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from muster_console.operation.file import document_files, read_file, repeated
from muster_console.operation.workspace import Workspace
from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import ExportDocument, parse_export
from muster_core.queue.app import Hint
from muster_core.queue.hint import send_hint
from muster_core.storage import delivery_record, export
from muster_core.storage.database import transaction
from muster_core.storage.delivery_record import StoredDelivery
from muster_core.storage.export import RequestedDelivery, StoredExport


def read_exports(path: Path) -> list[ExportDocument]:
    """Read the export documents of a file or folder; relative paths are taken from their file.

    Raises:
        InvalidInput: with every problem of every document, and names that stand twice.
    """
    documents: list[ExportDocument] = []
    problems: list[Problem] = []
    for file in document_files(path):
        try:
            found = read_text(read_file(file), file=str(file))
        except InvalidInput as exc:
            problems += exc.problems
            continue
        if not found:
            problems.append(Problem(message="the file holds no export", file=str(file)))
        for written in found:
            try:
                documents.append(parse_export(_absolute(written.data, file)))
            except InvalidInput as exc:
                problems += [written.place(problem) for problem in exc.problems]
    problems += repeated(path, [document.name for document in documents])
    if problems:
        raise InvalidInput(problems)
    return documents


def apply_exports(workspace: Workspace, path: Path) -> list[tuple[str, str]]:
    """Create or change the exports of a file or folder, all or none; return (name, what happened).

    Raises:
        InvalidInput: with every problem.
        NotFound: an export names a segment that does not exist.
    """
    documents = read_exports(path)
    with transaction(workspace.database) as connection:
        return [(d.name, export.apply_export(connection, d)) for d in documents]


def list_exports(workspace: Workspace) -> list[StoredExport]:
    """Return every export by name."""
    with transaction(workspace.database) as connection:
        return export.list_exports(connection)


def get_export(workspace: Workspace, name: str) -> StoredExport:
    """Return one export.

    Raises:
        NotFound: there is none of that name.
    """
    with transaction(workspace.database) as connection:
        return export.get_export(connection, name)


def deliver(workspace: Workspace, name: str) -> list[RequestedDelivery]:
    """Ask for the latest version of each segment of an export, and wake the exporter.

    Raises:
        NotFound: there is no such export.
    """
    with transaction(workspace.database) as connection:
        requested = export.request_delivery(connection, name, actor=workspace.actor)
    send_hint(workspace.settings, Hint.DELIVER)
    return requested


def list_deliveries(
    workspace: Workspace,
    *,
    export_name: str | None = None,
    segment_name: str | None = None,
    limit: int = 50,
) -> list[StoredDelivery]:
    """Return the newest deliveries first."""
    with transaction(workspace.database) as connection:
        return delivery_record.list_deliveries(
            connection, export_name=export_name, segment_name=segment_name, limit=limit
        )


def _absolute(data: Any, file: Path) -> Any:
    """Return the document with its folder's path made absolute; anything else is left to the checks."""
    match data:
        case {"connection": {"path": str(path), **connection}, **rest}:
            target = str((file.absolute().parent / path).resolve())
            return {**rest, "connection": {**connection, "path": target}}
        case _:
            return data
