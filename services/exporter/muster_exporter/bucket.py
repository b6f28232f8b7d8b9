"""Files in an object store: what is alike in all of them, over the few things each does in its own way."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from pydantic import ValidationError

from muster_core.errors import TargetRefused, TargetUnavailable
from muster_core.exports.manifest import DeliveredFile, Latest
from muster_core.exports.naming import CHUNK_PATTERN, LATEST_NAME, MANIFEST_NAME
from muster_exporter.sink import Staged

#: Bytes of one piece of a large object: what is in memory of a file at any time.
PIECE_BYTES = 8 << 20
#: Another exporter moves the pointer between reading and writing it; each time the newer version wins.
_SWAPS = 20


class Upload(Protocol):
    """One object on its way: it appears, whole, when it is finished."""

    def send(self, piece: bytes) -> None:
        """Send a piece of `PIECE_BYTES` that is not the last one."""

    def finish(self, last: bytes) -> None:
        """Send the last piece and make the object appear, in place of an older one."""

    def abandon(self) -> None:
        """Give up what was sent; nothing appears."""


class Store(Protocol):
    """A bucket or container with its credentials; keys are complete."""

    #: Its address for people, without credentials.
    address: str

    def upload(self, key: str) -> Upload:
        """Begin to write an object."""

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield an object's bytes; raise FileNotFoundError where there is none."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`."""

    def remove(self, key: str) -> None:
        """Remove an object; one that has gone already is fine."""

    def read_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object and the tag of this state of it, None where there is none."""

    def swap(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write an object where its tag is still `tag` (None: where there is none); return whether it was."""

    def abandon_uploads(self, prefix: str) -> None:
        """Give up uploads below `prefix` that somebody began and did not finish."""

    def close(self) -> None:
        """Let go of connections."""


class BucketSink:
    """The place of one version in an object store."""

    def __init__(self, store: Store, prefix: str, parts: tuple[str, ...]) -> None:
        self._store = store
        self._root = f"{prefix}/" if prefix else ""
        self._folder = f"{self._root}{'/'.join(parts)}/"
        self._segment = f"{self._root}{'/'.join(parts[:-1])}/"

    @property
    def location(self) -> str:
        """Return the address of the version's objects."""
        return f"{self._store.address}/{self._folder.rstrip('/')}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def remove_stale(self) -> None:
        """Give up uploads that earlier holders did not finish: nobody sees them, but they cost."""
        self._store.abandon_uploads(self._folder)

    def holds(self, file: DeliveredFile) -> bool:
        """Whether the object has exactly the bytes that were acknowledged; it is read to be sure."""
        digest, size = hashlib.sha256(), 0
        try:
            for piece in self._store.pieces(f"{self._folder}{file.name}"):
                digest.update(piece)
                size += len(piece)
        except FileNotFoundError:
            return False
        return (size, digest.hexdigest()) == (file.size, file.sha256)

    @contextmanager
    def stage(self, name: str) -> Iterator[Staged]:
        """Open an object to be written in the block; it appears when the block ends well."""
        upload = self._store.upload(f"{self._folder}{name}")
        waiting = bytearray()

        def put(data: memoryview) -> None:
            waiting.extend(data)
            while len(waiting) > PIECE_BYTES:
                upload.send(bytes(waiting[:PIECE_BYTES]))
                del waiting[:PIECE_BYTES]

        try:
            yield Staged(put)
            upload.finish(bytes(waiting))
        except BaseException:
            upload.abandon()
            raise

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove objects of an earlier definition of this version that no manifest ever named."""
        for key in list(self._store.keys(self._folder)):
            name = key.removeprefix(self._folder)
            if CHUNK_PATTERN.fullmatch(name) and name not in names:
                self._store.remove(key)

    def write_manifest(self, data: bytes) -> None:
        """Put the manifest in place, in one step."""
        with self.stage(MANIFEST_NAME) as staged:
            staged.write(data)

    def point_latest(self, latest: Latest) -> bool:
        """Let the segment's pointer name this version, unless it names a newer one; return whether it does."""
        key = f"{self._segment}{LATEST_NAME}"
        for _ in range(_SWAPS):
            found = self._store.read_tagged(key)
            if found is not None and _version(found[0]) > latest.segment_version:
                return False
            if self._store.swap(key, latest.encode(), None if found is None else found[1]):
                return True
        raise TargetUnavailable(
            f"The pointer {LATEST_NAME} of {self.location} changed again and again.",
            hint="It is tried again.",
        )

    def probe(self) -> None:
        """Do with a small object whatever a delivery does: list, write on a condition, read, replace, remove."""
        folder = f"{self._root}muster-probe-{uuid.uuid4().hex}/"
        key = f"{folder}{LATEST_NAME}"
        self._store.abandon_uploads(folder)
        self._store.upload(key).finish(b"muster")
        try:
            found = self._store.read_tagged(key)
            if found is None or key not in self._store.keys(folder):
                raise TargetUnavailable("The destination lost what was written.")
            if found[0] != b"muster":
                raise TargetUnavailable("The destination does not give back what was written.")
            if self._store.swap(key, b"muster", None) or not self._store.swap(
                key, b"muster", found[1]
            ):
                raise TargetRefused(
                    "The destination does not know conditional writes, so its pointers could go back.",
                    hint="Take a server that knows `If-Match` and `If-None-Match`.",
                )
        finally:
            self._store.remove(key)


def _version(data: bytes) -> int:
    """Return the version a pointer names; 0 where nobody can read it."""
    try:
        return Latest.model_validate_json(data).segment_version
    except ValidationError:
        return 0
