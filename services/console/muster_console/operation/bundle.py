"""The members of several segments in one zip file, a file for each."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from muster_console.operation.member import download_members
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.exports.document import Format


def download_bundle(
    workspace: Workspace,
    names: Sequence[str],
    *,
    columns: Sequence[str],
    to: Path,
    form: Format = Format.CSV,
) -> dict[str, int]:
    """Write all members of each segment's latest version into the zip file `to`; return how many each has.

    The file is there whole or not at all.

    Raises:
        NotFound, Conflict, InvalidInput: as for `download_members`, for the first segment that has none.
    """
    folder = to.absolute().parent
    if not folder.is_dir():
        message = f"the folder {folder} does not exist"
        raise InvalidInput([Problem(message=message, hint="Make it first.")])
    rows: dict[str, int] = {}
    # beside the target, so that the whole file takes its place in one step
    with TemporaryDirectory(dir=folder, prefix=f".{to.name}.") as space:
        whole = Path(space) / "bundle.zip"
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name in dict.fromkeys(names):
                part = Path(space) / f"{name}.{form}"
                rows[name] = download_members(workspace, name, columns=columns, to=part, form=form)
                bundle.write(part, part.name)
                part.unlink()
        os.replace(whole, to)
    return rows
