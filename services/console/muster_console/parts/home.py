"""The one data directory: its folders, the generated secrets (mode 0600) and the ports used last."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muster_core.errors import MusterError, NoSpace, PartUnavailable

#: A new PostgreSQL takes about 60 MiB; below this nothing is started.
FREE_BYTES = 100 * 1024**2


class Home:
    """The folder everything of one deployment lives in."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"
        self.log = self.path / "log"
        self.lake = self.path / "lake"
        self._secret = self.path / "secret"

    def create(self) -> None:
        """Make the folders.

        Raises:
            PartUnavailable: the place is not writable.
            NoSpace: the disk is full.
        """
        with disk_errors(self.path):
            for folder in (self.path, self.run, self.log, self.lake, self._secret):
                folder.mkdir(parents=True, exist_ok=True)
            self._secret.chmod(0o700)
            write_private(self.run / ".writable", "")
        if shutil.disk_usage(self.path).free < FREE_BYTES:
            raise no_space(self.path)

    def secret(self, name: str) -> str:
        """Return the secret called `name`, made on first use and kept."""
        path = self._secret / name
        if path.exists():
            return path.read_text()
        with disk_errors(self.path):
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text()

    def last_port(self, part: str) -> int | None:
        """Return the port `part` listened on last time."""
        return self._ports().get(part)

    def remember_port(self, part: str, port: int) -> None:
        """Keep the port of `part` for the next start."""
        with disk_errors(self.path):
            write_private(self.run / "ports.json", json.dumps(self._ports() | {part: port}))

    def _ports(self) -> dict[str, int]:
        try:
            ports: dict[str, int] = json.loads((self.run / "ports.json").read_text())
        except (FileNotFoundError, ValueError):
            # only a preference: without it other free ports are taken
            return {}
        return ports


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace `path` by `text` in one step, readable by its owner only; `durable` outlives a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate what a disk answers.

    Raises:
        NoSpace: it is full.
        PartUnavailable: it is not writable, or not a folder.
    """
    try:
        yield
    except OSError as exc:
        raise disk_error(path, exc) from exc


def disk_error(path: Path, exc: OSError) -> MusterError:
    """Return the error that says what is wrong with the data directory at `path`."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(path)
    return PartUnavailable(
        f"The data directory {path} cannot be written: {exc.strerror or exc}.",
        hint="Make it writable for this user, or set MUSTER_HOME to another folder.",
    )


def no_space(path: Path) -> NoSpace:
    """Return the error that says the disk of `path` is full."""
    return NoSpace(
        f"There is not enough space left on the disk of {path}.",
        hint=f"Free at least {FREE_BYTES // 1024**2} MiB there, or set MUSTER_HOME to a folder on another disk.",
    )
