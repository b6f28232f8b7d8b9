"""Delivers into a bucket of S3, or of a server that speaks its protocol.

A large file is a multipart upload, which nobody sees before it is completed. The rights it needs, below the
prefix only: s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload; and s3:ListBucket and
s3:ListBucketMultipartUploads on the bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from muster_core.errors import MusterError, TargetRefused, TargetUnavailable
from muster_core.exports.connection import S3Secret, S3Target
from muster_core.security.outbound import Guard
from muster_exporter.bucket import PIECE_BYTES, BucketSink, Upload
from muster_exporter.outgoing import guarded_pools

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60
_ATTEMPTS = 3
#: Somebody else was faster, or wrote at the same time.
_RACED = frozenset({409, 412})


def s3_sink(
    target: S3Target, secret: S3Secret, guard: Guard, parts: tuple[str, ...], fence: int
) -> BucketSink:
    """Return the place of one version in the bucket; uploads need no fence, they are never seen half."""
    return BucketSink(S3Store(target, secret, guard), target.prefix, parts)


class S3Store:
    """One bucket, with the credentials of a connection and no others."""

    def __init__(self, target: S3Target, secret: S3Secret, guard: Guard) -> None:
        self.bucket = target.bucket
        self.address = f"s3://{target.bucket}"
        if target.endpoint is not None:
            guard.check_url(target.endpoint)
        with self.errors():
            self.client = boto3.Session(
                aws_access_key_id=secret.access_key_id.get_secret_value(),
                aws_secret_access_key=secret.secret_access_key.get_secret_value(),
                region_name=target.region,
            ).client("s3", endpoint_url=target.endpoint, config=_config(target))
        # there is no public way to open a client's connections oneself
        http = self.client._endpoint.http_session
        http._manager.pool_classes_by_scheme = guarded_pools(
            guard, AWSHTTPConnectionPool, AWSHTTPSConnectionPool
        )

    def upload(self, key: str) -> Upload:
        """Begin to write an object."""
        return _Upload(self, key)

    def pieces(self, key: str) -> Iterator[bytes]:
        """Yield an object's bytes."""
        with self.errors():
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
            try:
                yield from body.iter_chunks(PIECE_BYTES)
            finally:
                body.close()

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`."""
        with self.errors():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (found["Key"] for found in page.get("Contents", ()))

    def remove(self, key: str) -> None:
        """Remove an object."""
        with self.errors():
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def read_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object and its etag."""
        try:
            with self.errors():
                found = self.client.get_object(Bucket=self.bucket, Key=key)
                return found["Body"].read(), found["ETag"]
        except FileNotFoundError:
            return None

    def swap(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write an object where its etag is still `tag`."""
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            with self.errors():
                self.client.put_object(Bucket=self.bucket, Key=key, Body=data, **condition)
        except FileExistsError:
            return False
        return True

    def abandon_uploads(self, prefix: str) -> None:
        """Give up multipart uploads that were not completed."""
        with self.errors():
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for found in page.get("Uploads", ()):
                    self.client.abort_multipart_upload(
                        Bucket=self.bucket, Key=found["Key"], UploadId=found["UploadId"]
                    )

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate the client's errors; none of their texts is kept, it may quote a signed address."""
        try:
            yield
        except ClientError as exc:
            raise self._translated(exc) from None
        except HTTPClientError as exc:
            cause = exc.kwargs.get("error")
            if isinstance(cause, MusterError):  # the guard's own words
                raise cause from None
            raise self._unavailable(type(exc).__name__) from None
        except BotoCoreError as exc:
            raise self._unavailable(type(exc).__name__) from None

    def _translated(self, exc: ClientError) -> Exception:
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(exc.response.get("Error", {}).get("Code", ""))
        if code == "NoSuchBucket":
            return TargetRefused(f"The bucket {self.bucket} does not exist.", hint="Make it first.")
        if status == 404:
            return FileNotFoundError(code)
        if status in _RACED:
            return FileExistsError(code)
        if status in (401, 403):
            return TargetRefused(
                f"The bucket {self.bucket} refuses the credentials, or what they may do.",
                hint="Compare their rights with docs/connections.md, and use `muster connection rotate`.",
            )
        if status in (400, 501) and code not in ("RequestTimeout", "SlowDown"):
            return TargetRefused(f"The bucket {self.bucket} does not take this request ({status}).")
        return self._unavailable(f"answer {status}")

    def _unavailable(self, cause: str) -> TargetUnavailable:
        return TargetUnavailable(
            f"The bucket {self.bucket} cannot be reached ({cause}).", hint="It is tried again."
        )


class _Upload:
    """One object: in one request where it is small, else in pieces."""

    def __init__(self, store: S3Store, key: str) -> None:
        self._store = store
        self._where = {"Bucket": store.bucket, "Key": key}
        self._id: str | None = None
        self._tags: list[dict[str, Any]] = []

    def send(self, piece: bytes) -> None:
        """Send a piece that is not the last one."""
        client = self._store.client
        with self._store.errors():
            if self._id is None:
                self._id = client.create_multipart_upload(**self._where)["UploadId"]
            number = len(self._tags) + 1
            sent = client.upload_part(
                **self._where, UploadId=self._id, PartNumber=number, Body=piece
            )
            self._tags.append({"ETag": sent["ETag"], "PartNumber": number})

    def finish(self, last: bytes) -> None:
        """Make the object appear."""
        client = self._store.client
        with self._store.errors():
            if self._id is None:
                client.put_object(**self._where, Body=last)
                return
        self.send(last)
        with self._store.errors():
            client.complete_multipart_upload(
                **self._where, UploadId=self._id, MultipartUpload={"Parts": self._tags}
            )
            self._id = None

    def abandon(self) -> None:
        """Give up the pieces that were sent, where the server can still be reached."""
        if self._id is None:
            return
        try:
            with self._store.errors():
                self._store.client.abort_multipart_upload(**self._where, UploadId=self._id)
        except (MusterError, OSError):
            # what made the upload fail is told; the next holder gives the rest up
            return


def _config(target: S3Target) -> Config:
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_REQUEST_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        s3={"addressing_style": "path" if target.endpoint else "auto"},
        proxies={},
    )
