"""S3 and stores compatible with it, set up by the variables every AWS tool reads."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

from muster_core.lake.object import AccessDenied, Entry, StoreError, mark

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60
_ATTEMPTS = 4
#: Keys of one request to remove.
_REMOVED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the environment says about S3; what it leaves open is found as AWS tools find it."""

    endpoint: str | None
    region: str
    key: str | None
    secret: str | None = field(repr=False)
    token: str | None = field(repr=False)

    @classmethod
    def read(cls) -> Access:
        """Read the environment."""
        said = os.environ.get
        return cls(
            endpoint=said("AWS_ENDPOINT_URL_S3") or said("AWS_ENDPOINT_URL") or None,
            region=said("AWS_REGION") or said("AWS_DEFAULT_REGION") or "us-east-1",
            key=said("AWS_ACCESS_KEY_ID") or None,
            secret=said("AWS_SECRET_ACCESS_KEY") or None,
            token=said("AWS_SESSION_TOKEN") or None,
        )


class S3Bucket:
    """One bucket."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._access = Access.read()
        self.filesystem = _filesystem(self._access)

    def entries(self, prefix: str, *, deep: bool = True) -> Generator[Entry, None, None]:
        """Yield the files whose key starts with `prefix`, in key order; those of subfolders where `deep`."""
        asked = {"Bucket": self.bucket, "Prefix": prefix} | ({} if deep else {"Delimiter": "/"})
        with self._client() as client:
            for page in client.get_paginator("list_objects_v2").paginate(**asked):
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/"):  # what some tools put for a folder
                        etag = mark(found["LastModified"], found["ETag"])
                        yield Entry(path=found["Key"], size=found["Size"], etag=etag)

    def create(self, path: str, data: bytes) -> None:
        """Put a file where there is none.

        Raises:
            FileExistsError: there is one.
        """
        with self._client() as client:
            client.put_object(Bucket=self.bucket, Key=path, Body=data, IfNoneMatch="*")

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; those that have gone already are fine."""
        keys = [{"Key": path} for path in paths]
        with self._client() as client:
            for first in range(0, len(keys), _REMOVED):
                some = {"Objects": keys[first : first + _REMOVED], "Quiet": True}
                if client.delete_objects(Bucket=self.bucket, Delete=some).get("Errors"):
                    raise StoreError(f"files of s3://{self.bucket} cannot be removed")

    @contextmanager
    def _client(self) -> Iterator[Any]:
        access, place = self._access, f"s3://{self.bucket}"
        try:
            client = boto3.client(
                "s3",
                endpoint_url=access.endpoint,
                region_name=access.region,
                aws_access_key_id=access.key,
                aws_secret_access_key=access.secret,
                aws_session_token=access.token,
                config=Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_REQUEST_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    # as PyArrow addresses a store of somebody else's
                    s3={"addressing_style": "path" if access.endpoint else "auto"},
                ),
            )
            try:
                yield client
            finally:
                client.close()
        except ClientError as exc:
            raise _translated(exc, place) from None
        except NoCredentialsError:
            raise AccessDenied("there are no credentials for it") from None
        except (BotoCoreError, ValueError):  # a malformed endpoint is a ValueError
            raise StoreError(f"the object store failed at {place}") from None


def _translated(exc: ClientError, place: str) -> OSError:
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status in (409, 412):
        return FileExistsError(f"a file in {place} exists already")
    if status in (401, 403):
        return AccessDenied("its credentials are wrong, or do not allow this")
    if status == 404:
        return FileNotFoundError(f"{place} does not exist")
    return StoreError(f"the object store failed at {place}")


@lru_cache(maxsize=8)
def _filesystem(access: Access) -> S3FileSystem:
    return S3FileSystem(
        access_key=access.key,
        secret_key=access.secret,
        session_token=access.token,
        region=access.region,
        endpoint_override=access.endpoint,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        # a small file is one request instead of three
        allow_delayed_open=True,
    )
