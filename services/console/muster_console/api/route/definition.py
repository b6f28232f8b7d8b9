"""Segments and measures as code: the files of a folder, saved as one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from muster_console.api.body import Given
from muster_console.api.idempotency import IdempotentRoute
from muster_console.api.policy import Editing
from muster_console.api.route.segment import Saved, saved
from muster_console.operation.definition import TextFile
from muster_console.operation.saving import apply_texts

router = APIRouter(prefix="/definitions", tags=["segments"], route_class=IdempotentRoute)


class FileGiven(Given):
    """One file: what it is called where it came from, and what it says in YAML or JSON."""

    name: str = Field(min_length=1, max_length=1_024)
    text: str
    #: The absolute path of its folder, which relative paths of exports start from.
    folder: Annotated[str, Field(max_length=4_096, pattern="^/")] | None = None

    def sent(self) -> TextFile:
        """Return it as it is read."""
        return TextFile(name=self.name, text=self.text, folder=self.folder)


class FilesGiven(Given):
    """Files to save together; the name of a file stands in the problems it has."""

    files: Annotated[list[FileGiven], Field(min_length=1, max_length=10_000)]


@router.post("")
def apply_files(workspace: Editing, given: FilesGiven) -> list[Saved]:
    """Create or change the segments and measures of some files: all of them or none."""
    files = [file.sent() for file in given.files]
    return [saved(applied) for applied in apply_texts(workspace, files)]
