"""Whether a target folder can take files now: asked when an export is applied and at every delivery."""

from __future__ import annotations

import os
from pathlib import Path


def folder_fault(path: str) -> str | None:
    """Return what keeps `path` from taking files, with what to do about it; None when it is fine."""
    folder = Path(path)
    if not folder.exists():
        return f"the folder {path} does not exist; create it, or mount the disk it is on"
    if not folder.is_dir():
        return f"{path} is not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {path} is not writable for this user; change its owner or its mode"
    return None
