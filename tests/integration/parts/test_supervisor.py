"""``muster up``, ``down`` and ``status`` on real processes: the parts alone, without the services."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from tests.integration.parts.alone import alone, without_engine
from tests.running import Parts, child_pids, is_running
from tests.waiting import eventually, promised

from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.postgres import Postgres
from muster_console.parts.running import running
from muster_core.errors import NoSpace

pytestmark = pytest.mark.integration


def assert_nothing_runs(parts: Parts) -> None:
    status = parts.status()
    assert status["state"] == "stopped"
    assert [part for part in status["parts"] if part["pid"]] == []
    own = [p.pid for p in psutil.process_iter(["cmdline"]) if _names(p, parts.home)]
    assert own == []


def _names(process: psutil.Process, home: Path) -> bool:
    return any(str(home) in argument for argument in process.info["cmdline"] or [])


def test_everything_starts_within_20_seconds_and_keeps_its_data_over_a_restart(tmp_path):
    parts = alone(tmp_path / "home")
    began = time.monotonic()
    with parts:
        assert time.monotonic() - began < promised(20)
        assert {p["name"]: p["state"] for p in parts.status()["parts"]} == {
            "postgres": "ready",
            "valkey": "ready",
            "engine": "ready",
        }
        before = parts.addresses()
        with psycopg.connect(before["database_url"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        parts.down()
        assert_nothing_runs(parts)
        assert not (parts.home / "run" / "parts.json").exists()

        parts.up()
        assert parts.addresses() == before
        with psycopg.connect(before["database_url"]) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.long
def test_a_killed_part_comes_back_at_the_same_address(tmp_path):
    with alone(tmp_path / "home") as parts:
        before = parts.addresses()
        for name in ("postgres", "valkey", "engine"):
            old = parts.kill(name)
            parts.wait_until_ready(name, other_than=old)
            assert parts.part(name)["restarts"] == 1
            assert "signal 9" in parts.part(name)["note"]
        assert parts.addresses() == before
        psycopg.connect(before["database_url"]).close()


@pytest.mark.long
def test_nothing_survives_a_killed_supervisor_and_the_next_up_recovers(tmp_path):
    with alone(tmp_path / "home") as parts:
        supervisor = parts.supervisor_pid()
        children = child_pids(supervisor)
        assert len(children) >= 3
        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: not any(is_running(pid) for pid in children), 10)
        assert parts.status()["state"] == "stopped"
        parts.up()
        psycopg.connect(parts.addresses()["database_url"]).close()


@pytest.mark.long
def test_down_after_a_killed_supervisor_clears_the_addresses(tmp_path, listening):
    with alone(tmp_path / "home", ENGINE=f"sc://localhost:{listening}") as parts:
        os.kill(parts.supervisor_pid(), signal.SIGKILL)
        eventually(lambda: parts.status()["state"] == "stopped")
        parts.down()
        assert not (parts.home / "run" / "parts.json").exists()


@pytest.mark.long
def test_a_second_up_says_that_everything_runs(tmp_path, listening):
    with alone(tmp_path / "home", ENGINE=f"sc://localhost:{listening}") as parts:
        for arguments in (["up"], ["up", "--detach"]):
            answer = parts.muster(*arguments, check=False)
            assert answer.code == 4
            assert "already up" in answer.err
        assert parts.status()["state"] == "ready"


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_signal_stops_up_in_the_foreground(tmp_path, listening, number):
    parts = alone(tmp_path / "home", ENGINE=f"sc://localhost:{listening}")
    process = parts.start_command("up")
    eventually(lambda: parts.status()["state"] == "ready", 30)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "muster: ready" in out
    assert out.rstrip().endswith("muster: stopped")
    assert_nothing_runs(parts)


@pytest.mark.long
def test_up_stops_in_order_even_when_nobody_reads_what_it_says(tmp_path, listening):
    parts = alone(tmp_path / "home", ENGINE=f"sc://localhost:{listening}")
    process = parts.start_command("up")
    eventually(lambda: parts.status()["state"] == "ready", 60)
    assert process.stdout is not None
    process.stdout.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "received fast shutdown request" in parts.log("postgres")
    assert "nobody reads" in parts.log("up")
    assert_nothing_runs(parts)


@pytest.mark.long
def test_parts_stop_in_order_so_that_nothing_loses_what_it_stands_on(tmp_path):
    parts = alone(tmp_path / "home")
    with parts:
        parts.down()
        lines = parts.log("up").splitlines()
        stopped = [line.split('"')[3] for line in lines if '"stopped"' in line]
    assert stopped == ["engine", "valkey", "postgres"]
    assert "received fast shutdown request" in parts.log("postgres")


def test_status_and_down_work_where_nothing_ever_ran(tmp_path):
    parts = alone(tmp_path / "never")
    assert parts.status() == {
        "home": str(tmp_path / "never"),
        "lake": str(tmp_path / "never" / "lake"),
        "state": "stopped",
        "pid": None,
        "since": None,
        "parts": [],
    }
    assert "Nothing runs" in parts.muster("status").out
    assert "Nothing runs" in parts.muster("down").out
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    "name",
    [
        "valkey",
        pytest.param("postgres", marks=pytest.mark.long),
        pytest.param("engine", marks=pytest.mark.long),
    ],
)
def test_a_taken_port_is_named_with_its_holder_and_nothing_is_started(tmp_path, listening, name):
    parts = alone(tmp_path / "home", **{f"MUSTER_{name.upper()}_PORT": str(listening)})
    answer = parts.muster("up", "--detach", check=False)
    assert answer.code == 5
    assert f"127.0.0.1:{listening}: the port is in use" in answer.err
    assert f"process {os.getpid()}" in answer.err
    assert f"MUSTER_{name.upper()}_PORT" in answer.err
    assert_nothing_runs(parts)


def test_an_engine_that_cannot_start_says_why_and_takes_the_others_down(tmp_path):
    broken = tmp_path / "java" / "bin"
    broken.mkdir(parents=True)
    (broken / "java").write_text("#!/bin/sh\necho 'no such machine' >&2\nexit 3\n")
    (broken / "java").chmod(0o755)
    parts = alone(tmp_path / "home", JAVA_HOME=str(tmp_path / "java"))
    answer = parts.muster("up", "--detach", check=False)
    assert answer.code == 5
    assert "no such machine" in answer.err
    assert str(broken / "java") in answer.err
    assert "JAVA_HOME" in answer.err
    assert_nothing_runs(parts)


def test_a_java_home_without_java_is_named(tmp_path):
    parts = alone(tmp_path / "home", JAVA_HOME="/nowhere")
    answer = parts.muster("up", "--detach", check=False)
    assert answer.code == 5
    assert "JAVA_HOME names /nowhere" in answer.err
    assert_nothing_runs(parts)


def test_too_little_memory_for_the_engine_is_named(tmp_path):
    parts = alone(tmp_path / "home", MUSTER_ENGINE_MEMORY="900000g")
    answer = parts.muster("up", "--detach", check=False)
    assert answer.code == 5
    assert "MUSTER_ENGINE_MEMORY" in answer.err
    assert_nothing_runs(parts)


def test_an_address_that_does_not_answer_is_named_without_its_password(tmp_path):
    closed = "postgresql://someone:sesame@127.0.0.1:1/db"
    parts = without_engine(tmp_path / "home", DATABASE_URL=closed)
    answer = parts.muster("up", "--detach", check=False)
    assert answer.code == 5
    assert "DATABASE_URL" in answer.err or "ENGINE" in answer.err
    assert "sesame" not in answer.err + answer.out
    assert_nothing_runs(parts)


def test_a_setting_without_sense_is_refused(tmp_path):
    answer = alone(tmp_path / "home", MUSTER_POSTGRES_PORT="99999999").muster("up", check=False)
    assert answer.code == 2
    assert "MUSTER_POSTGRES_PORT" in answer.err


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "home").write_text("")
    answer = alone(tmp_path / "home").muster("up", "--detach", check=False)
    assert answer.code == 5
    assert f"{tmp_path / 'home'} cannot be written" in answer.err
    assert "MUSTER_HOME" in answer.err


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 160 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this system does not allow mounting a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_before_anything_starts(small_disk):
    (small_disk / "ballast").write_bytes(b"x" * 100 * 1024**2)
    parts = alone(small_disk / "home")
    answer = parts.muster("up", "--detach", check=False)
    assert answer.code == 5
    assert "not enough space" in answer.err
    assert str(small_disk) in answer.err
    assert_nothing_runs(parts)


@pytest.mark.long
def test_a_disk_that_fills_up_while_the_database_is_made_leaves_no_half_of_it(small_disk):
    home = Home(small_disk / "home")
    home.create()
    (small_disk / "ballast").write_bytes(b"x" * 145 * 1024**2)
    postgres = Postgres(home, choose_port("postgres", "nothing", fixed=None, last=None))
    with pytest.raises(NoSpace, match=str(small_disk)):
        postgres.prepare()
    assert list((home.path / "postgres").iterdir()) == []

    (small_disk / "ballast").unlink()
    with running(postgres, home):
        psycopg.connect(postgres.url).close()


@pytest.mark.long
def test_the_secrets_are_readable_by_their_owner_only_and_stand_in_no_command_line(tmp_path):
    with alone(tmp_path / "home") as parts:
        secrets = [path.read_text() for path in (parts.home / "secret").iterdir()]
        assert len(secrets) == 4
        private = [*(parts.home / "secret").iterdir(), parts.home / "run" / "parts.json"]
        assert {oct(path.stat().st_mode & 0o777) for path in private} == {"0o600"}
        shown = parts.muster("status").out + parts.muster("status", "--json").out
        for pid in child_pids(parts.supervisor_pid()):
            shown += " ".join(psutil.Process(pid).cmdline())
        for name in ("up", "postgres", "valkey", "engine"):
            shown += parts.log(name)
        assert [secret for secret in secrets if secret in shown] == []


@pytest.mark.long
def test_servers_listen_on_the_loopback_address_only(tmp_path):
    with alone(tmp_path / "home") as parts:
        pids = [part["pid"] for part in parts.status()["parts"]]
        found = {
            connection.laddr.ip.removeprefix("::ffff:")
            for pid in pids
            for connection in psutil.Process(pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
    assert found == {"127.0.0.1"}


@pytest.mark.long
def test_the_services_user_of_valkey_may_not_empty_it(tmp_path, listening):
    with alone(tmp_path / "home", ENGINE=f"sc://localhost:{listening}") as parts:
        client = redis.Redis.from_url(parts.addresses()["redis_url"])
        client.set("hint", "1")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.flushall()
        client.close()
        parts.empty_redis()
