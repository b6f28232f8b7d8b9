"""The names of everything an export writes: functions of (export, segment, version, number) alone."""

from __future__ import annotations

import re

from muster_core.errors import TerminalError
from muster_core.exports.document import RESERVED, Format

MANIFEST_NAME = "manifest.json"
LATEST_NAME = "latest.json"

#: Files of Muster's own in the folder of a version, whatever format they were meant for.
CHUNK_PATTERN = re.compile(r"part-\d{5,}\.(csv|csv\.gz|parquet|jsonl)")
_STAGED_PATTERN = re.compile(r"\.[A-Za-z0-9._-]+\.(\d+)\.part")
_SAFE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,126}")


def version_folder(export: str, segment: str, version: int) -> tuple[str, str, str]:
    """Return the folders below the target that lead to one version.

    Raises:
        TerminalError: a name is not fit for a file system; names are checked when saved, so never.
    """
    # No segment has a dash in its name, so this meets no other segment.
    parts = (export, f"{segment}-" if segment in RESERVED else segment, f"version={version}")
    if any(not _SAFE_PART.fullmatch(part) for part in parts):
        raise TerminalError("A name is not fit to name a folder; nothing was written.")
    return parts


def chunk_name(number: int, form: Format) -> str:
    """Return the name of file `number`, counted from 0."""
    return f"part-{number:05d}.{form}"


def staged_name(name: str, fence: int) -> str:
    """Return the name a file has while it is written under `fence`."""
    return f".{name}.{fence}.part"


def staged_fence(name: str) -> int | None:
    """Return the fence in the name of a file being written, None for every other name."""
    match = _STAGED_PATTERN.fullmatch(name)
    return int(match[1]) if match else None
