"""The lake: one directory tree of immutable files, addressed by paths relative to its root.

A `Lake` is its URL and nothing else, so it travels to engine tasks as a string.
Every operating-system error is translated here: a missing file is damage, the rest is worth a retry.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from muster_core.errors import NoSpace, StoreDamaged, TerminalError, TransientError

#: EFBIG is what a file-size limit of the process answers: for the operator it is the same trouble.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def lake_errors(path: str) -> Iterator[None]:
    """Translate operating-system errors about `path` (relative to the lake).

    Raises:
        NoSpace: the disk, the quota or the file-size limit is exhausted.
        StoreDamaged: the file does not exist.
        TerminalError: permission is missing.
        TransientError: anything else: the disk or mount may be well again at the next try.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise StoreDamaged(
            f"The lake has no file {path}.", hint="Restore it or prepare the store again."
        ) from exc
    except PermissionError as exc:
        raise TerminalError(
            f"The lake does not allow access to {path}.",
            hint="Give this process's user the right to read and write there.",
        ) from exc
    except OSError as exc:
        if exc.errno in _FULL:
            raise NoSpace(
                f"No space is left for {path}.", hint="Free space, or move the lake (LAKE_URL)."
            ) from exc
        if isinstance(exc, FileExistsError):  # a name given twice is a mistake of the program
            raise
        raise TransientError(
            f"The lake failed at {path}: {os.strerror(exc.errno) if exc.errno else 'no reason given'}.",
            hint="Look at the disk or mount it lies on; the work is tried again.",
        ) from exc


class Output(io.RawIOBase):
    """A new file of the lake: hashed while it is written, durable once closed.

    Used as a context manager; leaving it with an exception removes the file.
    """

    def __init__(self, file: Path, path: str) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._digest = hashlib.sha256()
        self._abandoned = False
        self.size = 0
        with lake_errors(path):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what was written so far, in hex."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`.

        Raises:
            NoSpace: the disk is full.
        """
        view = memoryview(data).cast("B")
        if self._abandoned:
            return len(view)
        if self.closed:  # the descriptor's number may belong to another file by now
            raise ValueError("write to a closed file")
        self._digest.update(view)
        written = 0
        with lake_errors(self._path):
            while written < len(view):
                written += os.write(self._fd, view[written:])
        self.size += written
        return written

    def abandon(self) -> None:
        """Take further writes without keeping them: a Parquet writer ends with a footer nobody wants."""
        self._abandoned = True

    def close(self) -> None:
        """Make the file durable and close it."""
        if self.closed:
            return
        try:
            with lake_errors(self._path):
                if not self._abandoned:
                    os.fsync(self._fd)
        finally:
            os.close(self._fd)
            super().close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._abandoned = True
        self.close()
        if kind is not None:
            self._file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Lake:
    """The files under one URL: an absolute path or ``file://``."""

    url: str

    def __post_init__(self) -> None:
        scheme = urlsplit(self.url).scheme
        if scheme not in ("", "file"):
            raise TerminalError(
                f"A lake at {scheme}:// is not supported yet.",
                hint="Set LAKE_URL to a local path or file:// address.",
            )
        if not self.root.is_absolute():
            raise TerminalError(
                "The lake's address is not absolute.", hint="Give LAKE_URL in full."
            )

    @property
    def root(self) -> Path:
        """Return the directory that paths are relative to."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme else Path(self.url)

    def locate(self, path: str) -> Path:
        """Return where `path` is.

        Raises:
            StoreDamaged: `path` leads out of the lake.
        """
        if path.startswith("/") or ".." in Path(path).parts:
            raise StoreDamaged("A manifest names a file outside the lake.")
        return self.root / path

    def exists(self, path: str) -> bool:
        """Whether a file or directory stands at `path`."""
        return self.locate(path).exists()

    def read_bytes(self, path: str) -> bytes:
        """Return a small file's content."""
        with lake_errors(path):
            return self.locate(path).read_bytes()

    def write_bytes(self, path: str, data: bytes) -> None:
        """Put `data` at `path` in one step: readers see the old file or the new one, whole."""
        target = self.locate(path)
        name = f"{path}.{uuid.uuid4().hex}.tmp"
        with Output(self.locate(name), name) as output:
            output.write(data)
        with lake_errors(path):
            self.locate(name).replace(target)
            self.sync(target.parent)

    def open_input(self, path: str) -> Any:
        """Return a memory-mapped Arrow file to read from."""
        target = self.locate(path)
        with lake_errors(path):
            return pa.memory_map(str(target), "r")

    def open_output(self, path: str) -> Output:
        """Return a new file to write to; an existing one is never overwritten."""
        return Output(self.locate(path), path)

    def digest(self, path: str) -> tuple[int, str]:
        """Return the size in bytes and the SHA-256 of a file, read in pieces."""
        with lake_errors(path), self.locate(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256")
            return file.tell(), found.hexdigest()

    def sync(self, directory: Path) -> None:
        """Make the names of new files in `directory` durable."""
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
