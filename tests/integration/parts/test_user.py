"""Whose processes the parts are: root's, nobody's, a normal user's."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import sys
from pathlib import Path

import psutil
import pytest
from tests.integration.parts.alone import ALONE, alone
from tests.running import Parts

from muster_console.parts.privilege import Identity, unprivileged

pytestmark = pytest.mark.integration

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def normal_user() -> Identity:
    """Return `nobody`, who may read this checkout wherever it lies, and write nothing of root's."""
    identity = unprivileged(Path(sys.executable), Path(sys.prefix))
    assert identity is not None
    return identity


@as_root
def test_as_root_postgres_runs_as_nobody_below_a_folder_nobody_can_pass(tmp_path, listening):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with alone(closed / "home", ENGINE=f"sc://localhost:{listening}") as parts:
        status = Path(f"/proc/{parts.pid('postgres')}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(fields["Uid"].split()[0]) == pwd.getpwnam("nobody").pw_uid
        capabilities = int(fields["CapEff"], 16)
        assert capabilities in (0b100, 0b010), "one capability, to pass folders"
        assert closed.stat().st_mode & 0o777 == 0o700, "the user's folder is left as it is"


@pytest.mark.long
@as_root
@pytest.mark.skipif(
    any(not folder.stat().st_mode & 0o001 for folder in Path(sys.prefix, "lib").parents),
    reason="this virtual environment lies in a folder that only root may pass",
)
def test_as_root_in_an_open_folder_postgres_keeps_no_right_of_root():
    home = Path("/var/tmp") / f"muster-test-{os.getpid()}"  # noqa: S108 - a folder all may pass
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            engine = f"sc://localhost:{taken.getsockname()[1]}"
            with alone(home, ENGINE=engine) as parts:
                status = Path(f"/proc/{parts.pid('postgres')}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.long
@as_root
def test_a_normal_user_starts_everything_as_themselves():
    home = Path("/var/tmp") / f"muster-user-{os.getpid()}"  # noqa: S108 - a folder all may pass
    home.mkdir()
    shutil.chown(home, "nobody")
    try:
        with Parts(home, {**ALONE, "HOME": str(home)}, identity=normal_user()) as parts:
            owners = {psutil.Process(p["pid"]).username() for p in parts.status()["parts"]}
            assert owners == {"nobody"}
    finally:
        shutil.rmtree(home, ignore_errors=True)


@as_root
def test_a_home_a_normal_user_may_not_write_is_named(tmp_path):
    home = Path("/var/tmp") / f"muster-closed-{os.getpid()}"  # noqa: S108 - a folder all may pass
    home.mkdir(mode=0o755)
    try:
        answer = Parts(home, {**ALONE, "HOME": "/"}, identity=normal_user()).muster(
            "up", check=False
        )
        assert answer.code == 5
        assert f"{home} cannot be written" in answer.err
    finally:
        shutil.rmtree(home, ignore_errors=True)
