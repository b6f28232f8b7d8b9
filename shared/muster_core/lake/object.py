"""Files of an object store: what every kind of store offers, and reading and writing through PyArrow.

PyArrow moves the bytes, alike in services and in engine tasks. The maker's own client does what PyArrow cannot:
listings with the etag, and creating a file only where there is none. Whatever either of them raises becomes a
built-in error with a text of our own, because theirs may quote an address with its signature.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

#: What PyArrow says of a refused request: S3's and Azure's words for it, in its own message.
_DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN_ID"
    r"|EXPIRED_TOKEN|MISSING_AUTHENTICATION_TOKEN|UNRECOGNIZED_CLIENT|HTTP status 40[13]"
    r"|Auth(?:oriz|entic)ation\w*\] 40[13]|\] 40[13] "
)
_MISSING = re.compile(r"NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|\] 404 |HTTP status 404")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file as a listing shows it; `etag` begins with its time and changes with its content."""

    path: str
    size: int
    etag: str

    @property
    def written_at(self) -> datetime:
        """Return when the file was written, by the clock of the disk or store."""
        return datetime.fromtimestamp(int(self.etag.partition("-")[0]) / 1e9, UTC)


def mark(written: datetime, etag: str) -> str:
    """Return what tells that a file was written again: its time in nanoseconds, as of local files, and its etag."""
    return f"{round(written.timestamp()) * 1_000_000_000}-{etag.strip(chr(34))}"


class ObjectStore(Protocol):
    """One bucket or container; paths are keys in it."""

    #: PyArrow's file system of the whole account, and the name of the bucket in it.
    filesystem: Any
    bucket: str

    def entries(self, prefix: str, *, deep: bool = True) -> Generator[Entry, None, None]:
        """Yield the files whose key starts with `prefix`, in key order; those of subfolders where `deep`."""

    def create(self, path: str, data: bytes) -> None:
        """Put a file where there is none.

        Raises:
            FileExistsError: there is one.
        """

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; those that have gone already are fine."""


class AccessDenied(PermissionError):
    """An object store refuses the credentials, or there are none; the text says which, without them."""


class StoreError(OSError):
    """An object store did not do what it was asked, for a reason that may pass."""


@contextmanager
def remote_errors(place: str) -> Iterator[None]:
    """Translate PyArrow's errors about `place` into built-in ones without a word of the server's.

    Raises:
        FileNotFoundError: there is no such file, bucket or container.
        AccessDenied: the credentials are missing or wrong, or do not allow it.
        StoreError: anything else: the network, or the store itself.
    """
    try:
        yield
    except (FileNotFoundError, StoreError, AccessDenied):
        raise
    except OSError as exc:
        said = str(exc)
        if _DENIED.search(said):
            raise AccessDenied("its credentials are wrong, or do not allow this") from None
        if _MISSING.search(said):
            raise FileNotFoundError(f"{place} does not exist") from None
        raise StoreError(f"the object store failed at {place}") from None


class ObjectInput(io.RawIOBase):
    """A file of an object store, open for reading at any position."""

    def __init__(self, store: ObjectStore, path: str, place: str) -> None:
        super().__init__()
        self._place = place
        try:
            with remote_errors(place):
                self._file = store.filesystem.open_input_file(f"{store.bucket}/{path}")
        except BaseException:
            super().close()  # or it would be closed when it is collected
            raise

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, all that are left where it is negative or None."""
        with remote_errors(self._place):
            data: bytes = self._file.read(None if size is None or size < 0 else size)
            return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        position: int = self._file.seek(offset, whence)
        return position

    def tell(self) -> int:
        """Return the position."""
        position: int = self._file.tell()
        return position

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
            super().close()


class ObjectOutput(io.RawIOBase):
    """A new file of an object store, hashed while it is written, there once it is closed.

    Used as a context manager; leaving it with an exception leaves no file.
    """

    def __init__(self, store: ObjectStore, path: str, place: str) -> None:
        super().__init__()
        self._store, self._path, self._place = store, path, place
        self._digest = hashlib.sha256()
        self._abandoned = False
        self.size = 0
        try:
            with remote_errors(place):
                self._stream = store.filesystem.open_output_stream(f"{store.bucket}/{path}")
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
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        if self._abandoned:
            return len(view)
        if self.closed:
            raise ValueError("write to a closed file")
        self._digest.update(view)
        with remote_errors(self._place):
            self._stream.write(view)
        self.size += len(view)
        return len(view)

    def abandon(self) -> None:
        """Take further writes without keeping them."""
        self._abandoned = True

    def close(self) -> None:
        """Make the file appear, whole; nothing appears where it was abandoned."""
        if self.closed:
            return
        try:
            with remote_errors(self._place):
                self._stream.close()
        finally:
            super().close()
        if self._abandoned:  # PyArrow cannot give an upload up, only end it
            self._store.remove([self._path])

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._abandoned = True
        self.close()


def read_object(store: ObjectStore, path: str, place: str) -> bytes:
    """Return a small file's content."""
    with ObjectInput(store, path, place) as file:
        return file.read()
