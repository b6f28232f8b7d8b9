"""Delivers into a local folder so that a reader never sees a partial file under a final name.

Every file is written under a hidden name that carries the fence, made durable, renamed, and the rename made
durable. Folders are opened one below the other without following links, and everything happens relative to
these handles, so no name and no swapped folder leads out of the target.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from pydantic import ValidationError

from muster_core.errors import TargetUnavailable
from muster_core.exports.connection import FolderTarget, NoSecret
from muster_core.exports.manifest import DeliveredFile, Latest
from muster_core.exports.naming import (
    CHUNK_PATTERN,
    LATEST_NAME,
    MANIFEST_NAME,
    staged_fence,
    staged_name,
)
from muster_core.exports.target import folder_errors, folder_fault
from muster_core.security.outbound import Guard
from muster_exporter.sink import Staged

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: Member data: for the owner and the group, which a setgid target folder chooses.
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750
#: A pipe that somebody put in a file's place is opened without waiting for a writer, and reads as empty.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
#: More than any pointer has.
_POINTER_BYTES = 65_536


class FolderSink:
    """The folder of one version below a target folder; used as a context manager."""

    def __init__(self, target: str, parts: tuple[str, ...], *, fence: int) -> None:
        self._target = target
        self._parts = parts
        self._fence = fence
        self._handles: list[int] = []
        self._stack = ExitStack()

    @property
    def location(self) -> str:
        """Return the path of the version's folder."""
        return "/".join((self._target.rstrip("/"), *self._parts))

    def __enter__(self) -> Self:
        if fault := folder_fault(self._target):
            raise TargetUnavailable(f"{fault[:1].upper()}{fault[1:]}.", hint="It is tried again.")
        try:
            with folder_errors(self._target):
                # The target itself may be reached over links: the administrator chose it.
                self._push(os.open(self._target, _FOLDER & ~os.O_NOFOLLOW))
                for part in self._parts:
                    self._push(_enter(self._handles[-1], part))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def remove_stale(self) -> None:
        """Remove what earlier holders of this delivery left half written."""
        with folder_errors(self._target):
            for name in os.listdir(self._handles[-1]):
                fence = staged_fence(name)
                if fence is not None and fence < self._fence:
                    _remove(self._handles[-1], name)

    def holds(self, file: DeliveredFile) -> bool:
        """Whether the file stands there with exactly the bytes that were acknowledged."""
        with folder_errors(self._target):
            try:
                descriptor = os.open(file.name, _READ, dir_fd=self._handles[-1])
            except FileNotFoundError:
                return False
            with os.fdopen(descriptor, "rb") as found:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return False
                digest = hashlib.file_digest(found, "sha256").hexdigest()
                return (found.tell(), digest) == (file.size, file.sha256)

    @contextmanager
    def stage(self, name: str) -> Iterator[Staged]:
        """Open a file to be written in the block; it gets its final name when the block ends well."""
        with self._staged(self._handles[-1], name) as staged:
            yield staged

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove files of an earlier definition of this version that no manifest ever named."""
        with folder_errors(self._target):
            for name in os.listdir(self._handles[-1]):
                if CHUNK_PATTERN.fullmatch(name) and name not in names:
                    _remove(self._handles[-1], name)

    def write_manifest(self, data: bytes) -> None:
        """Put the manifest in place, in one step."""
        with self.stage(MANIFEST_NAME) as staged:
            staged.write(data)

    def point_latest(self, latest: Latest) -> bool:
        """Let the segment's pointer name this version, unless it names a newer one; return whether it does.

        The folder is locked meanwhile, so of several exporters the one with the newest version wins.
        """
        folder = self._handles[-2]
        with folder_errors(self._target):
            fcntl.flock(folder, fcntl.LOCK_EX)
            try:
                if _latest_version(folder) > latest.segment_version:
                    return False
                # Only the holder of the lock writes the pointer, so whatever is half written is dead.
                for name in os.listdir(folder):
                    if staged_fence(name) is not None:
                        _remove(folder, name)
                with self._staged(folder, LATEST_NAME) as staged:
                    staged.write(latest.encode())
                return True
            finally:
                fcntl.flock(folder, fcntl.LOCK_UN)

    def probe(self) -> None:
        """Write, read and remove a small file in the target folder."""
        name = f".muster-probe-{uuid.uuid4().hex}"
        with folder_errors(self._target):
            folder = os.open(self._target, _FOLDER & ~os.O_NOFOLLOW)
            try:
                descriptor = os.open(name, _NEW_FILE, _FILE_MODE, dir_fd=folder)
                try:
                    os.write(descriptor, b"muster")
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                    _remove(folder, name)
            finally:
                os.close(folder)

    @contextmanager
    def _staged(self, folder: int, name: str) -> Iterator[Staged]:
        hidden = staged_name(name, self._fence)
        # Only the system calls on the target are translated: what fails in the block keeps its own name.
        with folder_errors(self._target):
            descriptor = os.open(hidden, _NEW_FILE, _FILE_MODE, dir_fd=folder)
        try:
            try:
                yield Staged(lambda view: self._write(descriptor, view))
                with folder_errors(self._target):
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with folder_errors(self._target):
                os.rename(hidden, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _remove(folder, hidden)
            raise
        with folder_errors(self._target):
            _sync(folder)

    def _write(self, descriptor: int, view: memoryview) -> None:
        done = 0
        with folder_errors(self._target):
            while done < len(view):
                done += os.write(descriptor, view[done:])

    def _push(self, handle: int) -> None:
        self._handles.append(handle)
        self._stack.callback(os.close, handle)


def folder_sink(
    target: FolderTarget, secret: NoSecret, guard: Guard, parts: tuple[str, ...], fence: int
) -> FolderSink:
    """Return the folder of one version; a disk needs no credentials and no guard."""
    return FolderSink(target.path, parts, fence=fence)


def _enter(parent: int, name: str) -> int:
    """Return a handle on the folder `name` in `parent`, made where it is missing."""
    try:
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
        _sync(parent)
    except FileExistsError:
        pass
    return os.open(name, _FOLDER, dir_fd=parent)


def _sync(folder: int) -> None:
    """Make new names in `folder` durable, where the file system can."""
    try:
        os.fsync(folder)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        # Somebody else, who also found it stale, was faster.
        return


def _latest_version(folder: int) -> int:
    """Return the version the pointer names; 0 where there is no pointer or nobody can read it."""
    try:
        descriptor = os.open(LATEST_NAME, _READ, dir_fd=folder)
    except FileNotFoundError:
        return 0
    with os.fdopen(descriptor, "rb") as file:
        try:
            return Latest.model_validate_json(file.read(_POINTER_BYTES)).segment_version
        except ValidationError:
            return 0
