"""A small file system of its own for the lake or a database, where mounting is permitted, and a ballast that fills it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def mount(folder: Path, megabytes: int = 400) -> bool:
    """Put a small tmpfs at `folder`; return whether that is permitted here."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "muster-chaos", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Take it away again."""
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def fill(folder: Path) -> None:
    """Leave no space in `folder`."""
    with (folder / "ballast").open("wb") as ballast:
        free = shutil.disk_usage(folder).free
        try:
            os.posix_fallocate(ballast.fileno(), 0, max(1, free))
        except OSError:
            # somebody else took some of it meanwhile: write what is left
            _write_all(ballast.fileno())


def _write_all(descriptor: int) -> None:
    block = b"\0" * 65_536
    while True:
        try:
            os.write(descriptor, block)
        except OSError:
            return


def empty(folder: Path) -> None:
    """Give the space back."""
    (folder / "ballast").unlink(missing_ok=True)
