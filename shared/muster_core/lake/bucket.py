"""A lake in an object store, below a prefix of one bucket or container."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from muster_core.lake.address import Address
from muster_core.lake.failure import LakeInput, LakeOutput
from muster_core.lake.object import Entry, ObjectInput, read_object, remote_errors
from muster_core.lake.remote import open_store

_PIECE_BYTES = 8 << 20


class Bucket:
    """The files below an address; paths are relative to it. A file appears whole or not at all."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._store = open_store(address)

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self._address.path, path) if part)

    def address(self, path: str) -> str:
        """Return where a file is, for those who do not know the lake."""
        return str(replace(self._address, path=self._key(path)))

    def exists(self, path: str) -> bool:
        """Whether a file stands at `path`."""
        with remote_errors(self.address(path)):
            found = self._store.filesystem.get_file_info(f"{self._store.bucket}/{self._key(path)}")
        return bool(found.is_file)

    def read_bytes(self, path: str) -> bytes:
        """Return a small file's content."""
        return read_object(self._store, self._key(path), self.address(path))

    def write_bytes(self, path: str, data: bytes) -> None:
        """Put `data` at `path` in one step: readers see the old file or the new one, whole."""
        with self.open_output(path) as output:
            output.write(data)

    def create(self, path: str, data: bytes) -> None:
        """Put `data` at `path` where nothing stands.

        Raises:
            FileExistsError: something does.
        """
        self._store.create(self._key(path), data)

    def open_input(self, path: str) -> Any:
        """Return an Arrow file to read from."""
        return pa.PythonFile(LakeInput(self._store, self._key(path), self.address(path)), mode="r")

    def open_mapped(self, path: str) -> Any:
        """Return an Arrow file of a copy that is mapped into memory, for many small reads."""
        with tempfile.NamedTemporaryFile(prefix="muster-") as copy:
            with ObjectInput(self._store, self._key(path), self.address(path)) as file:
                shutil.copyfileobj(file, copy, _PIECE_BYTES)
            copy.flush()
            return pa.memory_map(copy.name, "r")  # its pages stay while it is mapped

    def open_output(self, path: str) -> LakeOutput:
        """Return a new file to write to. Names in the lake are never given twice: nothing looks for one."""
        return LakeOutput(self._store, self._key(path), self.address(path))

    open_passing = open_output

    def digest(self, path: str) -> tuple[int, str]:
        """Return the size in bytes and the SHA-256 of a file, read in pieces."""
        found = hashlib.sha256()
        size = 0
        with ObjectInput(self._store, self._key(path), self.address(path)) as file:
            while piece := file.read(_PIECE_BYTES):
                found.update(piece)
                size += len(piece)
        return size, found.hexdigest()

    def entries(self, directory: str, *, deep: bool) -> Iterator[Entry]:
        """Yield the files below `directory` in path order; those of its subfolders where `deep`."""
        prefix, root = self._key(directory), self._address.path
        for found in self._store.entries(f"{prefix}/" if prefix else "", deep=deep):
            path = found.path.removeprefix(f"{root}/") if root else found.path
            yield replace(found, path=path)

    def remove(self, paths: Iterable[str], below: str) -> None:
        """Remove files; an object store has no folders that would be left."""
        self._store.remove([self._key(path) for path in paths])

    def prune(self, directory: str) -> None:
        """Do nothing: an object store has no folders."""

    def check(self) -> None:
        """Make sure files can be written, by writing one and removing it again."""
        probe = self._key(f"probe-{uuid.uuid4().hex}")
        self._store.create(probe, b"x")
        self._store.remove([probe])
