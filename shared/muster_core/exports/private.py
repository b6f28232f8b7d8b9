"""A file with member data on this machine: whole or not there, and nobody else's business."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from muster_core.exports.document import Format
from muster_core.exports.target import folder_errors
from muster_core.exports.writer import write_file


def write_private(
    path: Path, schema: Any, groups: Iterable[Any], *, form: Format, raw: bool = False
) -> int:
    """Write rows to one new file at `path`, complete or not at all; return how many.

    Args:
        path: absolute; what stands there is replaced.
        schema: the Arrow schema of the rows.
        groups: tables of that schema.
        form: which kind of file.
        raw: CSV only, leave text as it is though a spreadsheet may run it.

    Raises:
        NoSpace: the disk is full.
        TargetUnavailable: the folder does not take files.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with folder_errors(str(path.parent)):
            # the mode that an export's files have
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            with os.fdopen(descriptor, "wb") as file:
                rows = write_file(file, schema, groups, form=form, raw=raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return rows
