"""Members as files: of one segment as CSV or Parquet, of several as one archive."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.background import BackgroundTask

from muster_console.operation.access import principal_of_token
from muster_console.operation.member import download_members
from muster_console.operation.workspace import Workspace
from muster_console.web.cookie import session_token
from muster_console.web.door import to_sign_in, unavailable
from muster_console.web.visit import off_loop
from muster_console.web.words import explain_error
from muster_core.errors import MusterError
from muster_core.exports.document import Format
from muster_core.security.role import Permission

_MOST = 1_000


def download(workspace: Workspace) -> APIRouter:
    """Return the route of downloads; it asks for the grant `members`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/download")
    async def members(
        request: Request,
        name: Annotated[list[str], Query(min_length=1, max_length=_MOST)],
        form: Format = Format.CSV,
        column: Annotated[list[str] | None, Query(max_length=500)] = None,
    ) -> Response:
        """Send the members of the segments `name`; the download is recorded."""
        token = session_token(request)
        try:
            found = await off_loop(lambda: principal_of_token(workspace, token or ""))
            if found is None:
                return to_sign_in(request)
            if not found.allows(Permission.MEMBERS):
                return PlainTextResponse("Member data needs the grant `members`.", 403)
            folder = tempfile.TemporaryDirectory(prefix="muster-download-")
            own = workspace.of(found)
            try:
                file = await off_loop(
                    lambda: _write(own, name, column or [], form, Path(folder.name))
                )
            except BaseException:
                folder.cleanup()
                raise
        except MusterError as exc:
            trouble = explain_error(exc)
            return unavailable(exc) if trouble.passing else PlainTextResponse(trouble.line, 409)
        return FileResponse(
            file,
            filename=file.name,
            headers={"Cache-Control": "no-store"},
            background=BackgroundTask(folder.cleanup),
        )

    return router


def _write(
    workspace: Workspace, names: list[str], columns: list[str], form: Format, folder: Path
) -> Path:
    files: list[tuple[str, Path]] = []
    for name in dict.fromkeys(names):
        # the names of segments are plain words; one that is none is not found
        file = folder / f"{len(files)}.{form}"
        download_members(workspace, name, columns=columns, to=file, form=form)
        files.append((name, file))
    if len(files) == 1:
        name, file = files[0]
        return file.rename(folder / f"{name}.{form}")
    archive = folder / "segments.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, file in files:
            whole.write(file, f"{name}.{form}")
            file.unlink()
    return archive
