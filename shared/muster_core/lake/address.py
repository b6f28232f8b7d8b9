"""Addresses of files and folders in object stores: ``s3://bucket/path`` and ``abfs://container@account/path``.

Everything else is a local path. An address is kept as it is written, nothing in it is percent-encoded, and it
never carries credentials: those are read from the environment (docs/parquet-source.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from muster_core.errors import TerminalError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_S3 = ("s3", "s3a")
_AZURE = ("abfs", "abfss")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTAINER = re.compile(r"\$root|[a-z0-9][a-z0-9-]{2,62}")
_ACCOUNT = re.compile(r"([a-z0-9]{3,24})(\.(dfs|blob)\.[a-z0-9.-]+)?")

FORMS = "Write a path, s3://bucket/path or abfs://container@account/path."


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place in an object store; `account` is None in S3, `path` has no slash at its ends."""

    bucket: str
    account: str | None
    path: str

    def __str__(self) -> str:
        place = f"abfs://{self.bucket}@{self.account}" if self.account else f"s3://{self.bucket}"
        return f"{place}/{self.path}" if self.path else place


def scheme_of(text: str) -> str | None:
    """Return what stands before ``://``, in lower case; None in a path."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else None


def is_remote(text: str) -> bool:
    """Whether `text` is an address in an object store, rather than a local path."""
    return scheme_of(text) in (*_S3, *_AZURE)


def read_remote(text: str) -> Address:
    """Return the parts of an address in an object store.

    Raises:
        TerminalError: it is not one; what it says is not repeated where it may hold a secret.
    """
    scheme = scheme_of(text)
    place, _, path = text.partition("://")[2].partition("/")
    path = path.strip("/")
    if "//" in path or any(part in (".", "..") for part in path.split("/")):
        raise TerminalError("An address in an object store has an empty part, . or ..", hint=FORMS)
    if scheme in _S3 and _BUCKET.fullmatch(place):
        return Address(bucket=place, account=None, path=path)
    container, _, account = place.partition("@")
    known = _ACCOUNT.fullmatch(account)
    if scheme in _AZURE and known and _CONTAINER.fullmatch(container):
        return Address(bucket=container, account=known[1], path=path)
    if scheme not in (*_S3, *_AZURE):
        raise TerminalError(f"An address at {scheme}:// is not supported.", hint=FORMS)
    raise TerminalError(
        f"An address at {scheme}:// cannot be read.",
        hint=f"{FORMS} Credentials are read from the environment, never from an address.",
    )
