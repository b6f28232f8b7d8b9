"""What every destination of files offers, and the file that is being written there."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from muster_core.exports.manifest import DeliveredFile, Latest
from muster_exporter.version import Receipt, Version


class Staged(io.RawIOBase):
    """A file on its way, hashed and counted while it is written; `put` takes its bytes, all of them."""

    def __init__(self, put: Callable[[memoryview], None]) -> None:
        super().__init__()
        self._put = put
        self._digest = hashlib.sha256()
        #: Bytes written so far.
        self.size = 0

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
            TargetUnavailable: the destination does not take it now.
            TargetRefused: it does not let Muster in.
        """
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._put(view)
        self.size += len(view)
        return len(view)


class FileSink(Protocol):
    """The place of one version at a destination; a context manager, used by one holder of a lease.

    A file appears under its name whole or not at all, and writing it again replaces it by the same bytes.
    Everything raises `TargetUnavailable` where trying again may help and `TargetRefused` where it does not.
    """

    @property
    def location(self) -> str:
        """Return where the version stands, for people; no credentials are in it."""

    def __enter__(self) -> Self:
        """Connect, and make sure that the place is Muster's to write to."""

    def __exit__(self, *_: object) -> None:
        """Let go of the destination."""

    def remove_stale(self) -> None:
        """Remove what earlier holders of this delivery left half written."""

    def holds(self, file: DeliveredFile) -> bool:
        """Whether the file stands there with exactly the bytes that were acknowledged."""

    def stage(self, name: str) -> AbstractContextManager[Staged]:
        """Open a file to be written in the block; it gets its final name when the block ends well."""

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove files of an earlier definition of this version that no manifest ever named."""

    def write_manifest(self, data: bytes) -> None:
        """Put the manifest in place, in one step."""

    def point_latest(self, latest: Latest) -> bool:
        """Let the segment's pointer name this version unless it names a newer one; return whether it does."""

    def probe(self) -> None:
        """Write, read and remove a small file in the target itself, to see whether deliveries would work."""


class TableSink(Protocol):
    """A database that takes a version in one transaction: whoever reads sees one version or the other."""

    def __enter__(self) -> Self:
        """Connect."""

    def __exit__(self, *_: object) -> None:
        """Let go of the database; what was not committed is gone."""

    def send(self, version: Version, check: Callable[[], None]) -> Receipt:
        """Make the database hold the version, unless it holds a newer one; safe to repeat.

        `check` raises when the work must stop; it is called last thing before the commit.
        """

    def erase(self, export: str, key_column: str, key: str) -> tuple[int, str]:
        """Delete whatever the database holds of a customer by this export; return how many rows, and where.

        `key` is the canonical key text, `key_column` the name that the key is delivered under.
        """

    def probe(self) -> None:
        """See whether versions could be written, without leaving anything."""
