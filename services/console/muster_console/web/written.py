"""Exports as people write them, saved as a file of the same words would be."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from muster_console.operation.export import apply_exports, list_exports
from muster_console.operation.workspace import Workspace
from muster_core.errors import ChangedMeanwhile


def save_export(
    workspace: Workspace, document: dict[str, Any], *, based_on: datetime | None
) -> None:
    """Create or change one export; `based_on` is when it was changed last as it was read, None for a new one.

    Raises:
        InvalidInput: with every problem.
        NotFound: a segment or the connection does not exist.
        ChangedMeanwhile: somebody else changed it, or made one of this name.
    """
    name = document.get("name")
    stored = {found.name: found.updated_at for found in list_exports(workspace)}
    if stored.get(str(name)) != based_on:
        raise ChangedMeanwhile(
            f"The export `{name}` was changed by somebody else meanwhile.",
            hint="Read it again and repeat your change.",
        )
    with tempfile.TemporaryDirectory(prefix="muster-export-") as folder:
        file = Path(folder) / "export.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        apply_exports(workspace, file)
