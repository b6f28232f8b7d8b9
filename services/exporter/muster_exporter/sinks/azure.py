"""Delivers into a container of Azure Blob Storage or Data Lake Storage.

A file is blocks that become a blob in one step. The rights it needs, on the container only: read, add, create,
write, delete and list.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobBlock, ContainerClient

from muster_core.errors import TargetRefused, TargetUnavailable
from muster_core.exports.connection import AzureSecret, AzureTarget
from muster_core.security.outbound import Guard
from muster_exporter.bucket import BucketSink, Upload
from muster_exporter.outgoing import guarded_session

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60


def azure_sink(
    target: AzureTarget, secret: AzureSecret, guard: Guard, parts: tuple[str, ...], fence: int
) -> BucketSink:
    """Return the place of one version in the container; blocks need no fence, they are never seen alone."""
    return BucketSink(AzureStore(target, secret, guard), target.prefix, parts)


class AzureStore:
    """One container, with the credentials of a connection and no others."""

    def __init__(self, target: AzureTarget, secret: AzureSecret, guard: Guard) -> None:
        self.container = target.container
        self.address = f"abfs://{target.container}@{target.account}"
        url = f"https://{target.account}.blob.core.windows.net"
        if target.endpoint is not None:
            guard.check_url(target.endpoint)
            url = f"{target.endpoint.rstrip('/')}/{target.account}"
        credential: Any = None
        if secret.account_key is not None:
            key = secret.account_key.get_secret_value()
            credential = {"account_name": target.account, "account_key": key}
        elif secret.sas_token is not None:
            credential = secret.sas_token.get_secret_value()
        self._session = guarded_session(guard)
        with self.errors():
            self.client = ContainerClient(
                url,
                target.container,
                credential=credential,
                transport=RequestsTransport(session=self._session, session_owner=False),
                use_env_settings=False,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_REQUEST_SECONDS,
                retry_total=2,
                initial_backoff=1,
                increment_base=2,
                random_jitter_range=1,
            )

    def upload(self, key: str) -> Upload:
        """Begin to write a blob."""
        return _Upload(self, key)

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield a blob's bytes."""
        with self.errors():
            yield from self.client.download_blob(key).chunks()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with `prefix`."""
        with self.errors():
            yield from self.client.list_blob_names(name_starts_with=prefix)

    def remove(self, key: str) -> None:
        """Remove a blob."""
        try:
            with self.errors():
                self.client.delete_blob(key)
        except FileNotFoundError:
            return

    def read_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return a small blob and its etag."""
        try:
            with self.errors():
                found = self.client.download_blob(key)
                return found.readall(), str(found.properties.etag)
        except FileNotFoundError:
            return None

    def swap(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write a blob where its etag is still `tag`."""
        condition: dict[str, Any] = {"overwrite": False}
        if tag is not None:
            unchanged = MatchConditions.IfNotModified
            condition = {"overwrite": True, "etag": tag, "match_condition": unchanged}
        try:
            with self.errors():
                self.client.upload_blob(key, data, **condition)
        except FileExistsError:
            return False
        return True

    def abandon_uploads(self, prefix: str) -> None:
        """Do nothing: blocks that no blob names are removed by the service after a week."""

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()
        self._session.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the client's errors; none of their texts is kept, it may quote a signed address."""
        try:
            yield
        except HttpResponseError as exc:
            raise self._translated(exc) from None
        except (AzureError, ValueError) as exc:  # a key that is no base64 is a ValueError
            raise self._unavailable(type(exc).__name__) from None

    def _translated(self, exc: HttpResponseError) -> Exception:
        status = exc.status_code or 0
        code = str(getattr(exc, "error_code", "") or "")
        if code == "ContainerNotFound":
            return TargetRefused(
                f"The container {self.container} does not exist.", hint="Make it first."
            )
        if status == 404:
            return FileNotFoundError(code)
        if status in (409, 412):
            return FileExistsError(code)
        if status in (401, 403):
            return TargetRefused(
                f"The container {self.container} refuses the credentials, or what they may do.",
                hint="Compare their rights with docs/connections.md, and use `muster connection rotate`.",
            )
        if status == 400:
            return TargetRefused(f"The container {self.container} does not take this request.")
        return self._unavailable(f"answer {status}")

    def _unavailable(self, cause: str) -> TargetUnavailable:
        return TargetUnavailable(
            f"The container {self.container} cannot be reached ({cause}).",
            hint="It is tried again.",
        )


class _Upload:
    """One blob: in one request where it is small, else in blocks."""

    def __init__(self, store: AzureStore, key: str) -> None:
        self._store = store
        self._key = key
        self._blocks: list[str] = []

    def send(self, piece: bytes) -> None:
        """Send a piece that is not the last one."""
        block = base64.b64encode(f"{len(self._blocks):08d}".encode()).decode()
        with self._store.errors(), self._store.client.get_blob_client(self._key) as blob:
            blob.stage_block(block, piece)
        self._blocks.append(block)

    def finish(self, last: bytes) -> None:
        """Make the blob appear."""
        if not self._blocks:
            with self._store.errors():
                self._store.client.upload_blob(self._key, last, overwrite=True)
            return
        self.send(last)
        with self._store.errors(), self._store.client.get_blob_client(self._key) as blob:
            blob.commit_block_list([BlobBlock(block_id=block) for block in self._blocks])

    def abandon(self) -> None:
        """Leave the blocks: the service removes them."""
