"""Places in real object stores, with the environment that opens them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An empty bucket or container; `put` stores a file at a key in it."""

    url: str
    put: Callable[[str, bytes], None]
    environment: dict[str, str]
    #: The variable with the secret.
    secret: str


@pytest.fixture(params=["s3", "azure"])
def place(request, monkeypatch) -> Place:
    """A bucket of the test's own, which this process may use."""
    made = _s3_place(request) if request.param == "s3" else _azure_place(request)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def _s3_place(request) -> Place:
    server = request.getfixturevalue("s3_server")
    bucket = server.bucket()

    def put(key: str, data: bytes) -> None:
        with server.client() as client:
            client.put_object(Bucket=bucket, Key=key, Body=data)

    return Place(
        url=f"s3://{bucket}",
        put=put,
        environment=server.environment(),
        secret="AWS_SECRET_ACCESS_KEY",  # noqa: S106 - its name
    )


def _azure_place(request) -> Place:
    server = request.getfixturevalue("azure_server")
    container = server.container()

    def put(key: str, data: bytes) -> None:
        with server.client() as client:
            client.get_blob_client(container, key).upload_blob(data, overwrite=True)

    return Place(
        url=f"abfs://{container}@{server.account}",
        put=put,
        environment=server.environment(),
        secret="AZURE_STORAGE_KEY",  # noqa: S106 - its name
    )
