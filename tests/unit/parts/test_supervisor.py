"""The supervisor without servers: what it does when nobody reads what it says."""

from __future__ import annotations

import os
from typing import cast

import pytest
from rich.console import Console

from muster_console.cli import up
from muster_console.parts.home import Home
from muster_console.parts.journal import journal
from muster_console.parts.state import ChildRecord, ChildState, read_record
from muster_console.parts.supervised import Supervised
from muster_console.parts.supervisor import Supervisor
from muster_core.settings import Settings


@pytest.fixture
def pipe(monkeypatch):
    """A console whose output goes into a pipe, and the pipe's other end, for the test to close."""
    reader, writer = os.pipe()

    def leave(_):
        raise SystemExit(1)

    # before it ends the program Rich gives up the process's own standard output, which is pytest's here
    monkeypatch.setattr(Console, "on_broken_pipe", leave)
    with open(writer, "w") as file:
        yield Console(file=file, force_terminal=True), reader
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, writer)
        os.close(nowhere)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_a_reader_that_is_gone_is_told_nothing_more_and_ends_nothing(home, pipe):
    console, reader = pipe
    os.close(reader)
    heard = []

    def listener(record):
        heard.append(record.state)
        console.print(record.state)

    supervisor = Supervisor(Settings(home=home.path), listener)
    with journal(home.log / "up.log") as supervisor._log:
        supervisor._tell("ready")
        supervisor._tell("stopping")
    assert heard == ["ready"]
    assert "nobody reads" in (home.log / "up.log").read_text()
    assert (home.log / "up.log").stat().st_mode & 0o777 == 0o600


class Flaky:
    """A supervised child that is down for the first look and ready at the second."""

    def __init__(self, supervisor):
        self.supervisor = supervisor
        self.state = ChildState.READY
        self.looks = 0

    stop_seconds = 3.0

    def watch(self, start_seconds):
        self.looks += 1
        self.state = ChildState.RESTARTING if self.looks == 1 else ChildState.READY
        self.supervisor._stops_asked = int(self.looks == 2)

    def record(self):
        return ChildRecord(name="flaky", kind="service", state=self.state)

    def cap_log(self): ...


def test_while_a_child_is_down_everything_is_called_degraded(home):
    heard = []
    supervisor = Supervisor(Settings(home=home.path), lambda record: heard.append(record.state))
    supervisor._children = [cast("Supervised", Flaky(supervisor))]
    with journal(home.log / "up.log") as supervisor._log:
        supervisor._keep(10)
    assert heard == ["degraded", "ready"]


def test_the_record_says_how_long_stopping_may_take(home):
    supervisor = Supervisor(Settings(home=home.path), lambda _: None)
    supervisor._children = [cast("Supervised", Flaky(supervisor)) for _ in range(2)]
    with journal(home.log / "up.log") as supervisor._log:
        supervisor._tell("ready")
    record = read_record(home.path)
    assert record is not None
    assert record.stop_seconds == 6.0


def test_a_table_that_cannot_be_finished_is_no_error(pipe, monkeypatch):
    console, reader = pipe
    monkeypatch.setattr(up, "console", console)
    with up._live() as live:
        assert live.is_started
        os.close(reader)
    assert not live.is_started
