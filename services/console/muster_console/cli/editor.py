"""Letting people change a text in the editor they are used to."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from muster_core.errors import Conflict, TerminalError


def edit(text: str, *, name: str) -> str:
    """Return `text` as it is after `$VISUAL`, `$EDITOR` or `vi` was closed; `name` names the file.

    Raises:
        Conflict: nothing was changed.
        TerminalError: the editor cannot be started, or says that it failed.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(command), str(file)], check=True)
        except (OSError, ValueError, subprocess.CalledProcessError) as exc:
            raise TerminalError(
                "The editor did not end well; nothing was changed.",
                hint="Name another one in the variable EDITOR.",
            ) from exc
        changed = file.read_text(encoding="utf-8")
    if changed == text:
        raise Conflict("Nothing was changed.", hint="Save the text in the editor to change it.")
    return changed
