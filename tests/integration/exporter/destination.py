"""Every kind of destination of files as a test sees it: its connection, and what stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.ssh_server import USER, SshServer

from muster_core.exports.connection import Secret, Target, parse_secret, parse_target
from muster_core.storage.connection import OpenedConnection

CANARY = "canary-secret-0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One destination of a test's own; `files` reads everything that stands there, by path."""

    document: Mapping[str, Any]
    secret: Mapping[str, str] = field(repr=False)
    wrong_secret: Mapping[str, str] | None
    files: Callable[[], dict[str, bytes]]

    @property
    def target(self) -> Target:
        """Return the connection document, read."""
        return parse_target(self.document)

    @property
    def opened(self) -> OpenedConnection:
        """Return the connection with its credentials."""
        return OpenedConnection(target=self.target, secret=self.credentials(self.secret))

    def credentials(self, written: Mapping[str, str]) -> Secret:
        """Return credentials of this kind."""
        return parse_secret(str(self.document["kind"]), dict(written))


def folder(request: pytest.FixtureRequest, root: Path) -> Destination:
    """Return a local folder."""
    return Destination(
        document={"name": "there", "kind": "folder", "path": str(root)},
        secret={},
        wrong_secret=None,
        files=lambda: _below(root),
    )


def s3(request: pytest.FixtureRequest, root: Path) -> Destination:
    """Return a bucket of a server that checks signatures."""
    server = request.getfixturevalue("s3_server")
    bucket = server.bucket()

    def files() -> dict[str, bytes]:
        with server.client() as client:
            listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
            return {
                f["Key"].removeprefix("in/crm/"): client.get_object(Bucket=bucket, Key=f["Key"])[
                    "Body"
                ].read()
                for f in listed
            }

    key = {"access_key_id": server.access_key}
    return Destination(
        document={
            "name": "there",
            "kind": "s3",
            "bucket": bucket,
            "prefix": "in/crm",
            "region": server.region,
            "endpoint": server.endpoint,
        },
        secret={**key, "secret_access_key": server.secret_key},
        wrong_secret={**key, "secret_access_key": CANARY},
        files=files,
    )


def azure(request: pytest.FixtureRequest, root: Path) -> Destination:
    """Return a container of an Azure Blob server."""
    server = request.getfixturevalue("azure_server")
    container = server.container()

    def files() -> dict[str, bytes]:
        with server.client() as client, client.get_container_client(container) as there:
            return {
                blob.name.removeprefix("in/crm/"): there.download_blob(blob.name).readall()
                for blob in there.list_blobs()
            }

    return Destination(
        document={
            "name": "there",
            "kind": "azure",
            "account": server.account,
            "container": container,
            "prefix": "in/crm",
            "endpoint": server.endpoint,
        },
        secret={"account_key": server.key},
        wrong_secret={"account_key": "Y2FuYXJ5LXNlY3JldA=="},
        files=files,
    )


def sftp(request: pytest.FixtureRequest, root: Path) -> Destination:
    """Return a folder on an SSH server."""
    server: SshServer = request.getfixturevalue("ssh_server")
    name = root.name
    (server.root / name).mkdir()
    return Destination(
        document={
            "name": "there",
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": server.port,
            "user": USER,
            "path": f"/{name}",
            "host_key": server.host_key,
        },
        secret={"password": server.password},
        wrong_secret={"password": CANARY},
        files=lambda: _below(server.root / name),
    )


FILES: Mapping[str, Callable[[pytest.FixtureRequest, Path], Destination]] = {
    "folder": folder,
    "s3": s3,
    "azure": azure,
    "sftp": sftp,
}


def _below(root: Path) -> dict[str, bytes]:
    found = {}
    for path in root.rglob("*"):
        # what is written at this moment gets another name meanwhile
        with suppress(FileNotFoundError, IsADirectoryError):
            found[str(path.relative_to(root))] = path.read_bytes()
    return found
