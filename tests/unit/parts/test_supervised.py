"""One child under supervision, with small processes instead of servers."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.running import is_running
from tests.waiting import eventually

from muster_console.parts import supervised as module
from muster_console.parts.child import Child, cap_log
from muster_console.parts.home import Home
from muster_console.parts.part import Launch
from muster_console.parts.state import ChildState
from muster_console.parts.supervised import Supervised
from muster_core.errors import PartUnavailable


@dataclass
class Script:
    """A part that runs a line of Python."""

    line: str
    directory: Path
    name: str = "script"
    address: str = ""
    ready: bool = True

    def prepare(self) -> None: ...

    def launch(self) -> Launch:
        return Launch(
            command=(sys.executable, "-c", self.line),
            environment=dict(os.environ),
            directory=self.directory,
            stop_seconds=0.5,
        )

    def is_ready(self, pid: int) -> bool:
        return self.ready

    def advice(self, log: str) -> str:
        return "Do something."


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def supervise(home, tmp_path):
    made: list[Supervised] = []

    def make(line: str, **options) -> Supervised:
        made.append(Supervised(Script(line, tmp_path, **options), "service", home))
        return made[-1]

    yield make
    for supervised in made:
        supervised.kill()


def watch_until(supervised: Supervised, state: ChildState) -> None:
    def reached() -> bool:
        supervised.watch(10)
        return supervised.state is state

    eventually(reached)


def test_a_child_that_dies_at_start_is_an_error_with_its_last_words(supervise):
    supervised = supervise(
        "import sys; print('before', flush=True); sys.exit('no such port')", ready=False
    )
    supervised.start()
    supervised.child.wait(10)
    with pytest.raises(PartUnavailable) as caught:
        supervised.check_start(10)
    assert "script ended with code 1" in str(caught.value)
    assert "Its last words: no such port" in str(caught.value)
    assert "Do something." in str(caught.value)


def test_a_child_that_never_becomes_ready_is_an_error(supervise):
    supervised = supervise("import time; time.sleep(60)", ready=False)
    supervised.start()
    with pytest.raises(PartUnavailable, match="not ready after 0 s"):
        supervised.check_start(0)


def test_a_killed_child_is_started_again_and_counted(supervise):
    supervised = supervise("import time; time.sleep(60)")
    supervised.start()
    supervised.check_start(10)
    first = supervised.child.pid
    os.kill(first, signal.SIGKILL)
    watch_until(supervised, ChildState.RESTARTING)
    assert supervised.record().pid is None
    watch_until(supervised, ChildState.READY)
    assert supervised.record().pid not in (None, first)
    assert supervised.record().restarts == 1
    assert supervised.record().note == "killed by signal 9"


def test_the_pause_before_a_restart_doubles_up_to_a_limit(supervise, monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.04)
    supervised = supervise("raise SystemExit(7)")
    supervised._pause = module.FIRST_PAUSE_SECONDS
    supervised.start()
    pauses = []
    for _ in range(4):
        watch_until(supervised, ChildState.RESTARTING)
        pauses.append(supervised._pause)
        eventually(lambda: supervised.watch(10) or supervised.state is not ChildState.RESTARTING)
    assert pauses == [0.02, 0.04, 0.04, 0.04]
    assert supervised.note == "ended with code 7"


def test_a_child_started_again_that_never_becomes_ready_is_started_once_more(supervise):
    supervised = supervise("import time; time.sleep(60)", ready=False)
    supervised.start()
    first = supervised.child.pid
    eventually(lambda: supervised.watch(0.05) or supervised.restarts == 1)
    assert supervised.child.pid != first
    assert supervised.note == "not ready after 0.05 s"


def test_a_child_that_ignores_the_signal_is_ended_by_force(supervise):
    line = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    supervised = supervise(line)
    supervised.start()
    eventually(lambda: "deaf" in supervised.child.log_end())
    supervised.stop()
    assert supervised.child.exit_code() == -signal.SIGKILL
    assert supervised.state is ChildState.STOPPED


def test_a_child_is_asked_to_stop_once(supervise):
    line = (
        "import signal, sys, time\n"
        "def leave(*_): print('asked', flush=True); time.sleep(0.3); sys.exit(0)\n"
        "signal.signal(15, leave); print('up', flush=True); time.sleep(60)"
    )
    supervised = supervise(line)
    supervised.start()
    eventually(lambda: "up" in supervised.child.log_end())
    supervised.ask_to_stop()
    eventually(lambda: "asked" in supervised.child.log_end())
    supervised.stop()
    assert supervised.child.log_end().split() == ["up", "asked"]
    assert supervised.child.exit_code() == 0


def test_what_a_child_started_ends_with_it(supervise):
    line = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    supervised = supervise(line)
    supervised.start()
    grandchild = int(eventually(lambda: supervised.child.log_end().strip()))
    supervised.kill()
    eventually(lambda: not is_running(grandchild))


def test_a_program_that_does_not_exist_is_an_error(tmp_path):
    launch = Launch(command=("/no/such/program",), environment={}, directory=tmp_path)
    with pytest.raises(PartUnavailable, match="/no/such/program does not run"):
        Child("script", launch, tmp_path / "script.log")


def test_a_log_is_moved_aside_once_it_is_too_long(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("12345678")
    cap_log(log, limit=8)
    assert log.read_text() == "12345678"
    cap_log(log, limit=7)
    assert log.read_text() == ""
    assert (tmp_path / "x.log.1").read_text() == "12345678"
    assert (tmp_path / "x.log.1").stat().st_mode & 0o777 == 0o600
