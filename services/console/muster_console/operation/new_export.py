"""Making an export from what is said of it, or from another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from muster_console.operation.export import apply_export_documents, get_export
from muster_console.operation.workspace import Workspace
from muster_core.errors import ChangedMeanwhile, Conflict
from muster_core.exports.document import ExportDocument, Format, Mode, parse_export


def create_export(
    workspace: Workspace,
    name: str,
    segments: Sequence[str],
    *,
    to: str,
    columns: Sequence[str] = (),
    form: Format | None = None,
    mode: Mode | None = None,
) -> str:
    """Make a new export that holds these segments; return its name.

    Args:
        workspace: where.
        name: of the export.
        segments: what it delivers.
        to: the name of a connection, or a folder: whatever has a ``/``.
        columns: what is delivered beside the key; ``column=name`` gives another name.
        form: of files; what is usual where nothing is said.
        mode: what is told; what is usual for the destination where nothing is said.

    Raises:
        Conflict: there is an export of that name.
        InvalidInput: with every problem.
        NotFound: a segment or the connection does not exist.
    """
    folder = str(Path(to).absolute()) if "/" in to else None
    written: dict[str, Any] = {
        "name": name,
        "connection": to if folder is None else {"kind": "folder", "path": folder},
        "segments": list(segments),
        "columns": [_column(column) for column in columns],
    }
    chosen = {"format": form, "mode": mode}
    written |= {field: str(value) for field, value in chosen.items() if value is not None}
    return _make(workspace, parse_export(written))


def duplicate_export(workspace: Workspace, name: str, copy: str) -> str:
    """Make a copy of an export under another name; nothing of its history is copied. Return the name.

    Raises:
        NotFound: there is no such export.
        Conflict: there is an export called `copy`.
        InvalidInput: the copy cannot be applied.
    """
    written = get_export(workspace, name).document.model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )
    return _make(workspace, parse_export({**written, "name": copy}))


def _make(workspace: Workspace, document: ExportDocument) -> str:
    try:
        apply_export_documents(workspace, [document], expected={document.name: 0})
    except ChangedMeanwhile as exc:
        raise Conflict(
            f"There is an export `{document.name}`.",
            hint="Choose another name, or change it: `muster export apply FILE`.",
        ) from exc
    return document.name


def _column(written: str) -> dict[str, str]:
    column, _, name = written.partition("=")
    return {"column": column, "as": name} if name else {"column": column}
