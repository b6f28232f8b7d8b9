"""What a target folder says: whether it can take files now, and what its errors mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muster_core.errors import NoSpace, TargetUnavailable

#: EFBIG is what a file-size limit of the process answers: for the operator it is the same trouble.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def folder_fault(path: str) -> str | None:
    """Return what keeps `path` from taking files, with what to do about it; None when it is fine."""
    folder = Path(path)
    if not folder.exists():
        return f"the folder {path} does not exist; create it, or mount the disk it is on"
    if not folder.is_dir():
        return f"{path} is not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {path} is not writable for this user; change its owner or its mode"
    return None


@contextmanager
def folder_errors(path: str) -> Iterator[None]:
    """Translate operating-system errors about the target folder `path`.

    Raises:
        NoSpace: the disk, the quota or the file-size limit is exhausted.
        TargetUnavailable: anything else; the message says what the system said.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise NoSpace(
                f"No space is left in the folder {path}.", hint="Free space; it is tried again."
            ) from exc
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise TargetUnavailable(
                f"The folder {path} holds a link or a file where Muster's own folder should be.",
                hint="Remove it, or export to another folder.",
            ) from exc
        said = os.strerror(exc.errno) if exc.errno else type(exc).__name__
        raise TargetUnavailable(
            f"The folder {path} does not take files: {said}.",
            hint="Check that it is mounted and writable; it is tried again.",
        ) from exc
