"""The lake: one tree of immutable files, addressed by paths relative to its root.

A `Lake` is its URL and nothing else, so it travels to engine tasks as a string; credentials of an object store
are read from the environment where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from muster_core.errors import StoreDamaged, TerminalError
from muster_core.lake.address import is_remote, read_remote, scheme_of
from muster_core.lake.failure import lake_errors
from muster_core.lake.object import Entry

if TYPE_CHECKING:
    from muster_core.lake.bucket import Bucket
    from muster_core.lake.disk import Disk
    from muster_core.lake.output import Output


@dataclass(frozen=True, slots=True)
class Lake:
    """The files under one URL: an absolute path, ``file://``, ``s3://`` or ``abfs://``."""

    url: str

    def __post_init__(self) -> None:
        if is_remote(self.url):
            read_remote(self.url)
            return
        if scheme_of(self.url) not in (None, "file"):
            raise TerminalError(
                f"A lake at {scheme_of(self.url)}:// is not supported.",
                hint="Set LAKE_URL to a local path, s3://bucket/path or abfs://container@account/path.",
            )
        if not self.root.is_absolute():
            raise TerminalError(
                "The lake's address is not absolute.", hint="Give LAKE_URL in full."
            )

    @property
    def is_local(self) -> bool:
        """Whether the files are on a disk or mount of this machine."""
        return not is_remote(self.url)

    @property
    def root(self) -> Path:
        """Return the directory that paths are relative to, of a local lake."""
        if not self.is_local:
            raise TerminalError("A lake in an object store has no directory.")
        return Path(unquote(urlsplit(self.url).path)) if scheme_of(self.url) else Path(self.url)

    def locate(self, path: str) -> Path:
        """Return where `path` is in a local lake.

        Raises:
            StoreDamaged: `path` leads out of the lake.
        """
        return self.root / _inside(path)

    def address(self, path: str) -> str:
        """Return where a file is, for those who do not know the lake: a path, or an address."""
        return self._place().address(_inside(path))

    def exists(self, path: str) -> bool:
        """Whether a file stands at `path`."""
        with lake_errors(path):
            return self._place().exists(_inside(path))

    def read_bytes(self, path: str) -> bytes:
        """Return a small file's content."""
        with lake_errors(path):
            return self._place().read_bytes(_inside(path))

    def write_bytes(self, path: str, data: bytes) -> None:
        """Put `data` at `path` in one step: readers see the old file or the new one, whole."""
        with lake_errors(path):
            self._place().write_bytes(_inside(path), data)

    def create(self, path: str, data: bytes) -> None:
        """Put `data` at `path` in one step, where nothing stands.

        Raises:
            FileExistsError: something does.
        """
        with lake_errors(path):
            self._place().create(_inside(path), data)

    def open_input(self, path: str) -> Any:
        """Return an Arrow file to read from; a local one is mapped into memory."""
        with lake_errors(path):
            return self._place().open_input(_inside(path))

    def open_mapped(self, path: str) -> Any:
        """Return an Arrow file that is mapped into memory, for many small reads all over it."""
        with lake_errors(path):
            return self._place().open_mapped(_inside(path))

    def open_output(self, path: str) -> Output:
        """Return a new file to write to; its name must not have been given before."""
        with lake_errors(path):
            return self._place().open_output(_inside(path))

    def open_passing(self, path: str) -> Output:
        """Return a new file that is removed before the work that writes it ends: it need not survive a crash."""
        with lake_errors(path):
            return self._place().open_passing(_inside(path))

    def digest(self, path: str) -> tuple[int, str]:
        """Return the size in bytes and the SHA-256 of a file, read in pieces."""
        with lake_errors(path):
            return self._place().digest(_inside(path))

    def entries(self, directory: str, *, deep: bool = True) -> Iterator[Entry]:
        """Yield the files below `directory` in path order; those of its subfolders where `deep`."""
        with lake_errors(directory):
            yield from self._place().entries(_inside(directory), deep=deep)

    def remove(self, paths: Iterable[str], *, below: str) -> None:
        """Remove files, and the folders below `below` that are empty then; none there is fine."""
        with lake_errors(below):
            self._place().remove([_inside(path) for path in paths], _inside(below))

    def prune(self, directory: str) -> None:
        """Remove the folder `directory` and those it is in, as far as they are empty; nobody may write there."""
        with lake_errors(directory):
            self._place().prune(_inside(directory))

    def check(self) -> None:
        """Make sure the lake can be written to.

        Raises:
            OSError: it cannot.
        """
        self._place().check()

    def _place(self) -> Disk | Bucket:
        # Both need Arrow, which takes a fifth of a second to import; many who have a lake at hand never look into it.
        if self.is_local:
            from muster_core.lake.disk import Disk

            return Disk(self.root)
        from muster_core.lake.bucket import Bucket

        return Bucket(read_remote(self.url))


def _inside(path: str) -> str:
    """Return `path` if it is one inside the lake.

    Raises:
        StoreDamaged: it leads out.
    """
    if path.startswith("/") or ".." in path.split("/"):
        raise StoreDamaged("A manifest names a file outside the lake.")
    return path
