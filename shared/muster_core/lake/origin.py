"""Files of sources wherever they are: on a disk or mount, in S3 or in Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from muster_core.errors import SourceDenied, SourceMissing, SourceUnavailable, TerminalError
from muster_core.lake.address import FORMS, Address, is_remote, read_remote, scheme_of
from muster_core.lake.object import AccessDenied, Entry, ObjectInput
from muster_core.lake.remote import open_store

_SUFFIX = ".parquet"
_ACCESS = (
    "Correct the credentials in the environment of every service and of the engine, or give them the right "
    "to list and read it."
)


@contextmanager
def origin_errors(place: str) -> Iterator[None]:
    """Translate what goes wrong while looking for or reading `place`.

    Raises:
        SourceMissing: it does not exist, nor does its bucket.
        SourceDenied: this process may not read it.
        SourceUnavailable: its store or disk does not answer.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise SourceMissing(
            f"The source {place} does not exist.", hint="Correct its path."
        ) from exc
    except PermissionError as exc:
        if isinstance(exc, AccessDenied):
            raise SourceDenied(
                f"The source {place} does not let Muster in: {exc}.", hint=_ACCESS
            ) from exc
        hint = "Give this process's user the right to read it."
        raise SourceDenied(f"The source {place} does not let Muster in.", hint=hint) from exc
    except pa.ArrowException:
        raise
    except OSError as exc:
        raise SourceUnavailable(
            f"The source {place} cannot be reached.",
            hint="Look whether its disk or store answers; the work is tried again.",
        ) from exc


def whole_address(written: str, base: Path) -> str:
    """Return a source's place as it is kept: an absolute path, or an address in its one form.

    Raises:
        TerminalError: it is an address that cannot be read.
    """
    if scheme_of(written) is None:
        return str((base / written).absolute())
    return str(_read(written))


def _read(written: str) -> Address:
    if "?" in written:
        raise TerminalError(
            "The address of a source takes no parameters.",
            hint=f"{FORMS} Credentials are read from the environment.",
        )
    return read_remote(written)


def find_files(place: str) -> list[Entry]:
    """Return the Parquet files at `place`, a file or a folder, in path order.

    Names that start with ``_`` or ``.`` are left out at every level below it.

    Raises:
        SourceMissing: nothing is there.
        SourceDenied: this process may not look.
        SourceUnavailable: the store does not answer.
        TerminalError: it is an address that cannot be read.
    """
    with origin_errors(place):
        if scheme_of(place) is not None:
            return _remote_files(_read(place))
        root = Path(place)
        found = [root] if root.is_file() else sorted(_walk(root))
        return [_local_entry(file) for file in found]


def _walk(root: Path) -> Iterator[Path]:
    for entry in root.iterdir():
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif entry.suffix == _SUFFIX:
            yield entry


def _local_entry(file: Path) -> Entry:
    found = file.stat()
    return Entry(path=str(file), size=found.st_size, etag=str(found.st_mtime_ns))


def _remote_files(address: Address) -> list[Entry]:
    store = open_store(address)
    if address.path:
        # a key comes before all longer ones
        with closing(store.entries(address.path)) as listed:
            first = next(listed, None)
        if first is not None and first.path == address.path:
            return [replace(first, path=str(address))]
    start = f"{address.path}/" if address.path else ""
    found = list(store.entries(start))
    if not found:
        raise FileNotFoundError(str(address))
    wanted = [entry for entry in found if _is_wanted(entry.path.removeprefix(start))]
    # as paths are ordered on a disk, so that the same files are numbered alike everywhere
    wanted.sort(key=lambda entry: entry.path.split("/"))
    return [replace(entry, path=str(replace(address, path=entry.path))) for entry in wanted]


def _is_wanted(path: str) -> bool:
    return path.endswith(_SUFFIX) and not any(p.startswith(("_", ".")) for p in path.split("/"))


class OriginInput(ObjectInput):
    """A source file in an object store: a store that fails is not taken for a damaged file."""

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, all that are left where it is negative or None."""
        with origin_errors(self._place):
            return super().read(size)


def open_file(path: str) -> Any:
    """Return an open Arrow file of a source, or of what was written down beside one.

    Raises:
        SourceMissing: it does not exist.
        SourceDenied: this process may not read it.
        SourceUnavailable: its store or disk does not answer.
    """
    with origin_errors(path):
        if not is_remote(path):
            return pa.OSFile(path)
        address = read_remote(path)
        return pa.PythonFile(OriginInput(open_store(address), address.path, path), mode="r")


def folders_between(root: str, path: str) -> list[str]:
    """Return the names of the folders between a source and one of its files."""
    whole = str(read_remote(root)) if is_remote(root) else root.rstrip("/")
    if not path.startswith(f"{whole}/"):
        return []
    return path.removeprefix(f"{whole}/").split("/")[:-1]
