"""Azure Blob Storage and Data Lake, set up by the variables of Azure's own command line.

A key or a shared access signature; `AZURE_STORAGE_ENDPOINT` is for emulators, whose path begins with the account.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobPrefix, ContainerClient
from pyarrow.fs import AzureFileSystem

from muster_core.lake.object import AccessDenied, Entry, StoreError, mark

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the environment says about an account."""

    account: str
    endpoint: str | None
    key: str | None = field(repr=False)
    token: str | None = field(repr=False)

    @classmethod
    def read(cls, account: str) -> Access:
        """Read the environment: what is said of this account, else what is said of all.

        Raises:
            AccessDenied: there is neither a key nor a token.
        """
        own = account.upper()
        key = _said(f"AZURE_STORAGE_KEY_{own}")
        token = _said(f"AZURE_STORAGE_SAS_TOKEN_{own}")
        if not (key or token):
            key, token = _said("AZURE_STORAGE_KEY"), _said("AZURE_STORAGE_SAS_TOKEN")
        if not (key or token):
            raise AccessDenied(
                "neither AZURE_STORAGE_KEY nor AZURE_STORAGE_SAS_TOKEN is set in this process"
            )
        endpoint = _said("AZURE_STORAGE_ENDPOINT")
        # a key may do everything a token may, so it is enough
        return cls(account=account, endpoint=endpoint, key=key, token=None if key else token)


def _said(name: str) -> str | None:
    return os.environ.get(name) or None


class AzureContainer:
    """One container of an account."""

    def __init__(self, bucket: str, account: str) -> None:
        self.bucket = bucket
        self._access = Access.read(account)
        self._place = f"abfs://{bucket}@{account}"
        try:
            self.filesystem = _filesystem(self._access)
        except (ValueError, OSError):  # PyArrow quotes the key
            raise AccessDenied("its credentials cannot be read; a key is in base64") from None

    def entries(self, prefix: str, *, deep: bool = True) -> Generator[Entry, None, None]:
        """Yield the files whose key starts with `prefix`, in key order; those of subfolders where `deep`."""
        with self._client() as client:
            asked: Any = {"name_starts_with": prefix or None, "include": ["metadata"]}
            listed = client.list_blobs(**asked) if deep else client.walk_blobs(**asked)
            for found in listed:
                if isinstance(found, BlobPrefix) or _is_folder(found):
                    continue
                etag = mark(found.last_modified, found.etag)
                yield Entry(path=found.name, size=found.size, etag=etag)

    def create(self, path: str, data: bytes) -> None:
        """Put a file where there is none.

        Raises:
            FileExistsError: there is one.
        """
        with self._client() as client:
            client.upload_blob(path, data, overwrite=False)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; those that have gone already are fine."""
        with self._client() as client:
            for path in paths:
                try:
                    client.delete_blob(path)
                except ResourceNotFoundError:
                    continue

    @contextmanager
    def _client(self) -> Iterator[ContainerClient]:
        access = self._access
        address = f"https://{access.account}.blob.core.windows.net"
        if access.endpoint:
            address = f"{access.endpoint.rstrip('/')}/{access.account}"
        credential: Any = access.token
        if access.key:
            credential = {"account_name": access.account, "account_key": access.key}
        try:
            with ContainerClient(
                address,
                self.bucket,
                credential=credential,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_REQUEST_SECONDS,
                retry_total=2,
                initial_backoff=1,
                increment_base=2,
                random_jitter_range=1,
            ) as client:
                yield client
        except HttpResponseError as exc:
            raise _translated(exc, self._place) from None
        except (AzureError, ValueError):  # a key that is no base64 is a ValueError
            raise StoreError(f"the object store failed at {self._place}") from None


def _is_folder(found: Any) -> bool:
    """Whether a blob only marks a folder, as accounts with a hierarchy list them."""
    return (found.metadata or {}).get("hdi_isfolder") == "true"


def _translated(exc: HttpResponseError, place: str) -> OSError:
    if exc.status_code in (409, 412):
        return FileExistsError(f"a file in {place} exists already")
    if exc.status_code in (401, 403):
        return AccessDenied("its credentials are wrong, or do not allow this")
    if exc.status_code == 404:
        return FileNotFoundError(f"{place} does not exist")
    return StoreError(f"the object store failed at {place}")


@lru_cache(maxsize=8)
def _filesystem(access: Access) -> AzureFileSystem:
    options: dict[str, str] = {}
    if access.endpoint:
        parts = urlsplit(access.endpoint)
        options = {
            "blob_storage_authority": parts.netloc,
            "blob_storage_scheme": parts.scheme,
            "dfs_storage_authority": parts.netloc,
            "dfs_storage_scheme": parts.scheme,
        }
    # exactly one of the two: PyArrow refuses both
    if access.key:
        return AzureFileSystem(access.account, account_key=access.key, **options)
    return AzureFileSystem(access.account, sas_token=access.token, **options)
