"""What goes wrong at the lake, in Muster's words: a missing file is damage, the rest is worth a retry."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from muster_core.errors import NoSpace, StoreDamaged, TerminalError, TransientError
from muster_core.lake.object import AccessDenied, ObjectInput, ObjectOutput, StoreError

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
    except AccessDenied as exc:
        raise TerminalError(
            f"The lake does not allow access to {path}: {exc}.",
            hint="Correct the credentials in the environment of every service and of the engine.",
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
        if isinstance(exc, StoreError):  # it says where and no secret
            raise TransientError(
                f"The lake failed at {path}: {exc}.",
                hint="Look whether its store answers; the work is tried again.",
            ) from exc
        raise TransientError(
            f"The lake failed at {path}: {os.strerror(exc.errno) if exc.errno else 'no reason given'}.",
            hint="Look at the disk or mount it lies on; the work is tried again.",
        ) from exc


class LakeInput(ObjectInput):
    """A file of a lake in an object store: reading says at once what is damage and what may pass."""

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, all that are left where it is negative or None."""
        with lake_errors(self._place):
            return super().read(size)


class LakeOutput(ObjectOutput):
    """A new file of a lake in an object store."""

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        with lake_errors(self._place):
            return super().write(data)

    def close(self) -> None:
        """Make the file appear, whole; nothing appears where it was abandoned."""
        with lake_errors(self._place):
            super().close()
