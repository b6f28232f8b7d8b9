"""A lake on a local disk or mount: files are made durable before anything names them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pyarrow as pa

from muster_core.lake.failure import lake_errors
from muster_core.lake.object import Entry


class Output(io.RawIOBase):
    """A new file of the lake: hashed while it is written, durable once closed; neither where it is `passing`.

    Used as a context manager; leaving it with an exception removes the file.
    """

    def __init__(self, file: Path, path: str, *, passing: bool = False) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._digest = hashlib.sha256()
        self._abandoned = False
        self._passing = passing
        self.size = 0
        try:
            with lake_errors(path):
                file.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except BaseException:
            super().close()  # or it would be closed when it is collected
            raise

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
        if not self._passing:
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
                if not self._abandoned and not self._passing:
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


class Disk:
    """The directory tree under `root`; paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, path: str) -> bool:
        """Whether a file or directory stands at `path`."""
        return (self.root / path).exists()

    def read_bytes(self, path: str) -> bytes:
        """Return a small file's content."""
        return (self.root / path).read_bytes()

    def write_bytes(self, path: str, data: bytes) -> None:
        """Put `data` at `path` in one step: readers see the old file or the new one, whole."""
        target = self.root / path
        self._write_beside(path, data).replace(target)
        _sync(target.parent)

    def create(self, path: str, data: bytes) -> None:
        """Put `data` at `path` in one step, where nothing stands.

        Raises:
            FileExistsError: something does.
        """
        written, target = self._write_beside(path, data), self.root / path
        try:
            # a link fails where a rename would overwrite
            os.link(written, target)
            _sync(target.parent)
        finally:
            written.unlink(missing_ok=True)

    def _write_beside(self, path: str, data: bytes) -> Path:
        name = f"{path}.{uuid.uuid4().hex}.tmp"
        with Output(self.root / name, name) as output:
            output.write(data)
        return self.root / name

    def open_input(self, path: str) -> Any:
        """Return a memory-mapped Arrow file to read from."""
        return pa.memory_map(str(self.root / path), "r")

    open_mapped = open_input

    def open_output(self, path: str) -> Output:
        """Return a new file to write to; an existing one is never overwritten."""
        return Output(self.root / path, path)

    def open_passing(self, path: str) -> Output:
        """Return a new file to write to that nobody needs after a crash."""
        return Output(self.root / path, path, passing=True)

    def digest(self, path: str) -> tuple[int, str]:
        """Return the size in bytes and the SHA-256 of a file, read in pieces."""
        with (self.root / path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256")
            return file.tell(), found.hexdigest()

    def entries(self, directory: str, *, deep: bool) -> Iterator[Entry]:
        """Yield the files below `directory` in path order; those of its subfolders where `deep`."""
        top = self.root / directory
        for found in sorted(top.rglob("*") if deep else top.glob("*")):
            try:
                status = found.stat()
            except FileNotFoundError:  # somebody else's, in the middle of its rename
                continue
            if found.is_file():
                path = str(found.relative_to(self.root))
                yield Entry(path=path, size=status.st_size, etag=str(status.st_mtime_ns))

    def remove(self, paths: Iterable[str], below: str) -> None:
        """Remove files, and the folders below `below` that are empty then."""
        for path in paths:
            (self.root / path).unlink(missing_ok=True)
        folders = (found for found in (self.root / below).rglob("*") if found.is_dir())
        for folder in sorted(folders, reverse=True):  # what is below a directory comes before it
            if not any(folder.iterdir()):
                folder.rmdir()

    def prune(self, directory: str) -> None:
        """Remove `directory` and the folders it is in, as far as they are empty, but none at the top."""
        folder = self.root / directory
        # one at the top is about to be used by whoever makes its next folder
        while self.root not in (folder, folder.parent):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError as exc:
                if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                return
            folder = folder.parent

    def check(self) -> None:
        """Make sure files can be written, by writing one and removing it again."""
        self.root.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=self.root) as probe:
            probe.write(b"x")

    def address(self, path: str) -> str:
        """Return where a file is, for those who do not know the lake."""
        return str(self.root / path)


def _sync(directory: Path) -> None:
    """Make the names of new files in `directory` durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
