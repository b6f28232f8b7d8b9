"""The data directory, its ports and its records."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import psutil
import pytest

from muster_console.parts import home as home_module
from muster_console.parts.deployment import deployment_of, read_part_settings
from muster_console.parts.detached import living_record, stop_running
from muster_console.parts.external import External
from muster_console.parts.home import Home, write_private
from muster_console.parts.port import choose_port
from muster_console.parts.state import (
    ChildRecord,
    ChildState,
    as_stopped,
    is_same_process,
    only_supervisor,
    own_record,
    read_record,
    write_record,
)
from muster_core.errors import Conflict, EngineUnavailable, InvalidInput, NoSpace, PartUnavailable
from muster_core.settings import Settings


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_a_secret_is_made_once_and_kept_private(home):
    first = home.secret("postgres")
    assert len(first) >= 32
    assert home.secret("postgres") == first
    assert home.secret("valkey") != first
    assert (home.path / "secret" / "postgres").stat().st_mode & 0o777 == 0o600


def test_a_nearly_full_disk_is_refused_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(home_module, "FREE_BYTES", 2**62)
    with pytest.raises(NoSpace, match="not enough space"):
        Home(tmp_path / "home").create()


def test_the_port_used_last_is_taken_again_where_it_is_free(home):
    port = choose_port("postgres", "X", fixed=None, last=None)
    assert choose_port("postgres", "X", fixed=None, last=port) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert choose_port("postgres", "X", fixed=None, last=port) != port
        with pytest.raises(PartUnavailable, match=f"the port is in use by .*{os.getpid()}"):
            choose_port("postgres", "X", fixed=port, last=None)


def test_a_broken_file_of_ports_only_costs_the_preference(home):
    home.remember_port("valkey", 4711)
    assert home.last_port("valkey") == 4711
    write_private(home.run / "ports.json", "{half")
    assert home.last_port("valkey") is None


def test_a_record_comes_back_as_it_was_written(home):
    child = ChildRecord(name="valkey", kind="part", state=ChildState.READY, pid=5, since=1.5)
    record = own_record("ready", time.time(), (child,))
    write_record(home, record)
    assert read_record(home.path) == record
    assert record.is_alive()
    stopped = as_stopped(record)
    assert (stopped.state, stopped.children[0].state, stopped.children[0].pid) == (
        "stopped",
        ChildState.STOPPED,
        None,
    )


def test_a_later_process_with_the_same_number_is_not_the_same():
    started = psutil.Process().create_time()
    assert is_same_process(os.getpid(), started)
    assert not is_same_process(os.getpid(), started - 100)


def test_a_home_that_is_a_file_cannot_be_read(tmp_path):
    path = tmp_path / "home"
    path.write_text("")
    settings = Settings(home=path)
    for look in (living_record, lambda _: stop_running(settings), lambda _: settings.parts):
        with pytest.raises(PartUnavailable, match="cannot be read: Not a directory") as caught:
            look(path)
        assert "MUSTER_HOME" in str(caught.value)


def test_a_home_of_another_user_cannot_be_read(home, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(
        Path, "read_text", refuse
    )  # root, who runs these tests, may read everything
    with pytest.raises(PartUnavailable, match="cannot be read: Permission denied"):
        read_record(home.path)


def test_only_one_supervisor_holds_a_home(home):
    with (
        only_supervisor(home),
        pytest.raises(Conflict, match="already up"),
        only_supervisor(home),
    ):
        pass
    with only_supervisor(home):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MUSTER_POSTGRES_PORT", "0"),
        ("MUSTER_ENGINE_MEMORY", "lots"),
        ("MUSTER_ENGINE_CORES", "-1"),
        ("MUSTER_SERVICES", "scheduler,cook"),
    ],
)
def test_a_setting_without_sense_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput) as caught:
        read_part_settings()
    assert name in str(caught.value.problems[0])


def test_services_may_be_chosen(monkeypatch):
    assert read_part_settings().service_names == ["scheduler", "worker", "exporter", "console"]
    monkeypatch.setenv("MUSTER_SERVICES", "exporter, worker")
    assert read_part_settings().service_names == ["worker", "exporter"]
    monkeypatch.setenv("MUSTER_SERVICES", "none")
    assert read_part_settings().service_names == []


def test_every_part_can_be_replaced_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", "postgres://me:pw@db.example:5432/muster")
    monkeypatch.setenv("REDIS_URL", "redis://:pw@cache.example:6379/0")
    monkeypatch.setenv("ENGINE", "sc://spark.example:15002/;token=pw")
    deployment = deployment_of(Settings())
    assert deployment.servers == ()
    assert [external.address for external in deployment.externals] == [
        "spark.example:15002",
        "cache.example:6379",
        "db.example:5432/muster",
    ]
    assert deployment.sqlalchemy_url == "postgresql+psycopg://me:pw@db.example:5432/muster"


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("gs://bucket/lake", InvalidInput, "not supported"),
        ("lake", InvalidInput, "not absolute"),
        ("{folder}/file/lake", PartUnavailable, "cannot be written: Not a directory"),
        ("/proc/lake", PartUnavailable, "cannot be written"),
    ],
)
def test_a_lake_that_cannot_be_written_is_named_before_anything_starts(
    tmp_path, monkeypatch, url, error, message
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKE_URL", url.format(folder=tmp_path))
    with pytest.raises(error) as caught:
        deployment_of(Settings())
    problems = getattr(caught.value, "problems", [caught.value])
    assert "LAKE_URL" in str(problems[0])
    assert message in str(problems[0])


def test_a_lake_of_ones_own_is_made_and_left_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKE_URL", f"file://{tmp_path}/my%20lake")
    deployment_of(Settings())
    assert list((tmp_path / "my lake").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "variable", "url", "error"),
    [
        ("postgres", "DATABASE_URL", "postgresql://me:sesame@127.0.0.1:1/x", PartUnavailable),
        ("valkey", "REDIS_URL", "redis://:sesame@127.0.0.1:1/0", PartUnavailable),
        ("engine", "ENGINE", "sc://127.0.0.1:1/;token=sesame", EngineUnavailable),
    ],
)
def test_a_replacement_that_does_not_answer_is_named(name, variable, url, error):
    with pytest.raises(error) as caught:
        External(name=name, variable=variable, url=url).check()
    assert variable in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)
    assert "sesame" not in str(caught.value)
