"""What is special about SSH servers: their key comes first, and no link leads out of the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh
import pytest
from tests.integration.exporter.destination import Destination, sftp
from tests.ssh_server import USER, SshServer, running_ssh

from muster_core.errors import TargetRefused
from muster_core.exports.connection import parse_secret, parse_target
from muster_core.settings import Settings
from muster_core.storage.connection import OpenedConnection
from muster_exporter.opening import file_sink

pytestmark = pytest.mark.integration

SETTINGS = Settings(outbound_allow="127.0.0.1")
PARTS = ("crm", "vip", "version=1")


@pytest.fixture
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    return sftp(request, tmp_path / f"sftp-{abs(hash(tmp_path)):x}")


def root(there: Destination, server: SshServer) -> Path:
    return server.root / str(there.document["path"]).lstrip("/")


def write(there: Destination, **changes: Any) -> None:
    target = parse_target({**there.document, **changes})
    opened = OpenedConnection(target=target, secret=there.credentials(there.secret))
    with (
        file_sink(opened, SETTINGS, PARTS, fence=1) as place,
        place.stage("part-00000.csv") as file,
    ):
        file.write(b"x")


def test_a_server_with_another_key_gets_no_password(there, ssh_server):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    before = list(ssh_server.offered)

    with pytest.raises(TargetRefused, match="another key"):
        write(there, host_key=" ".join(other.split()[:2]))

    assert ssh_server.offered == before
    assert there.files() == {}


@pytest.mark.parametrize("place", ["crm", "crm/vip", "crm/vip/version=1"])
def test_a_folder_that_is_a_link_is_not_followed(there, ssh_server, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = root(there, ssh_server) / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside, target_is_directory=True)

    with pytest.raises(TargetRefused, match="link"):
        write(there)

    assert list(outside.iterdir()) == []


def test_a_folder_that_is_missing_is_not_made(there):
    with pytest.raises(TargetRefused, match="does not exist"):
        write(there, path="/nowhere")


def test_the_manifest_comes_last_and_no_half_file_is_seen(there, ssh_server):
    write(there)

    assert there.files() == {"crm/vip/version=1/part-00000.csv": b"x"}
    modes = {oct(p.stat().st_mode & 0o777) for p in root(there, ssh_server).rglob("*.csv")}
    assert modes == {"0o640"}


class _OldServer(asyncssh.SFTPServer):
    """A server without OpenSSH's extension."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("unknown request")


def test_a_server_that_cannot_replace_files_is_found_by_the_probe(tmp_path):
    with running_ssh(tmp_path, _OldServer) as server:
        document = {
            "name": "old",
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": server.port,
            "user": USER,
            "path": "/",
            "host_key": server.host_key,
        }
        secret = parse_secret("sftp", {"password": server.password})
        opened = OpenedConnection(target=parse_target(document), secret=secret)
        with (
            pytest.raises(TargetRefused, match="in one step"),
            file_sink(opened, SETTINGS, (), fence=0) as place,
        ):
            place.probe()
        assert list(tmp_path.iterdir()) == []
