"""The project's code as one archive, made of the packages this process imported itself.

No pyspark here: the engine's own launcher tells the fingerprint, and starts without it in a fraction of a second.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import muster_core
import muster_worker
from muster_core.errors import EngineUnavailable

#: The setting in which a server tells which code its Python workers import without being sent any.
CODE_SETTING = "spark.muster.code"

_PACKAGES = (muster_core, muster_worker)
_SUFFIXES = {".py", ".lark", ".sql", ".typed"}
#: A ZIP file's oldest date: equal code makes equal archives.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@cache
def fingerprint() -> str:
    """Return the SHA-256 of the project's code as it is installed here, in hex."""
    digest = hashlib.sha256()
    for name, file in _files():
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def write_archive(target: Path) -> None:
    """Write the project's code to the ZIP file `target`.

    Raises:
        EngineUnavailable: there is no room for it.
    """
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in _files():
                archive.writestr(
                    zipfile.ZipInfo(name, _EPOCH), file.read_bytes(), zipfile.ZIP_DEFLATED
                )
    except OSError as exc:
        raise EngineUnavailable(
            f"The code for the engine cannot be written: {os.strerror(exc.errno or 0)}.",
            hint=f"Make room in {tempfile.gettempdir()}.",
        ) from exc


def _files() -> list[tuple[str, Path]]:
    found = []
    for package in _PACKAGES:
        (root,) = package.__path__
        for file in Path(root).rglob("*"):
            if file.suffix in _SUFFIXES and file.is_file():
                found.append((f"{package.__name__}/{file.relative_to(root).as_posix()}", file))
    return sorted(found)
