"""A whole Muster in a home of its own, driven through its command line, whose processes a test may kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import redis
from tests.waiting import eventually

from muster_console.parts.detached import living_record
from muster_console.parts.privilege import Identity, become
from muster_core.queue.app import KEY_PREFIX

#: Short enough for a test to wait for a lease to run out.
SHORT_LEASES = {
    "MUSTER_LEASE_SECONDS": "6",
    "MUSTER_HEARTBEAT_SECONDS": "1",
    "MUSTER_TRUST_MARGIN_SECONDS": "2",
    "MUSTER_REAPER_SECONDS": "0.5",
    "MUSTER_SWEEP_SECONDS": "0.5",
    "MUSTER_BACKOFF_SECONDS": "0.5",
    "MUSTER_ENGINE_MEMORY": "1g",
}


#: How the variables begin that would lead a test to somebody's real deployment.
_OUTSIDE = ("MUSTER_", "DATABASE_URL", "REDIS_URL", "ENGINE", "LAKE_URL")


#: An engine that lives for a test spends no time on compiling well what it does a few times.
SHORT_LIVED = {"MUSTER_ENGINE_SHORT_LIVED": "1"}


def bare_environment() -> dict[str, str]:
    """Return this process's environment without anything that names or shapes a Muster."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


class Parts:
    """``muster up --detach`` in `home`; `stop` or ``with`` ends it."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str] | None = None,
        *,
        identity: Identity | None = None,
    ) -> None:
        self.home = home
        #: Whom the commands run as; the present user where it is None.
        self._identity = identity
        self._environment = {
            **bare_environment(),
            **SHORT_LEASES,
            **SHORT_LIVED,
            **(environment or {}),
            "MUSTER_HOME": str(home),
        }

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def muster(
        self,
        *arguments: str,
        check: bool = True,
        seconds: float = 150.0,
        environment: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run ``muster`` with `arguments`; `check` fails the test unless the exit code is 0."""
        done = subprocess.run(
            [sys.executable, "-m", "muster_console", *arguments],
            env={**self._environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            preexec_fn=self._before_exec,
            check=False,
        )
        answer = Answer(code=done.returncode, out=done.stdout, err=done.stderr)
        if check:
            assert answer.code == 0, f"muster {' '.join(arguments)}: {answer}"
        return answer

    def start_command(
        self, *arguments: str, stdout: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start ``muster`` with `arguments` and return at once; the test ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "muster_console", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=self._before_exec,  # noqa: PLW1509 - tests have one thread
        )

    def _before_exec(self) -> None:
        if self._identity is not None:
            become(self._identity)

    def json(self, *arguments: str) -> Any:
        """Run ``muster ... --json`` and return the document it prints."""
        return self.muster(*arguments, "--json").json

    def up(self) -> Any:
        """Start everything and return its status."""
        return self.json("up", "--detach")

    def down(self) -> None:
        """Stop everything in an orderly way."""
        self.muster("down")

    def stop(self) -> None:
        """Stop everything, whatever state it is in; fail if a process stays."""
        pids = [part["pid"] for part in self.status()["parts"] if part["pid"]]
        self.muster("down")
        eventually(lambda: not any(is_running(pid) for pid in pids), 10)

    def status(self) -> Any:
        """Return ``muster status`` as a document."""
        return self.json("status")

    def part(self, name: str) -> Any:
        """Return one part's line of the status, read here: polling through the command is slow."""
        record = living_record(self.home)
        assert record is not None, f"nothing ever ran in {self.home}"
        return next(asdict(child) for child in record.children if child.name == name)

    def pid(self, name: str) -> int:
        """Return the process id of `name`, which must be running."""
        pid: int | None = self.part(name)["pid"]
        assert pid is not None, f"{name} does not run"
        return pid

    def supervisor_pid(self) -> int:
        """Return the process id of ``muster up`` itself."""
        record = living_record(self.home)
        assert record is not None, f"nothing ever ran in {self.home}"
        return record.pid

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> int:
        """Send `name` a signal, ``kill -9`` unless told otherwise, and return the pid it had."""
        pid = self.pid(name)
        os.kill(pid, signal_number)
        return pid

    def wait_until_ready(
        self, name: str, *, other_than: int | None = None, seconds: float = 60
    ) -> int:
        """Wait until `name` is ready, as another process than `other_than`; return its pid."""

        def ready() -> int | None:
            part = self.part(name)
            fresh = part["state"] == "ready" and part["pid"] not in (None, other_than)
            return part["pid"] if fresh else None

        pid = eventually(ready, seconds)
        assert pid is not None
        return pid

    def addresses(self) -> dict[str, str]:
        """Return the URLs a client needs: database_url, redis_url, engine, lake_url."""
        found: dict[str, str] = json.loads((self.home / "run" / "parts.json").read_text())
        return found

    def empty_redis(self) -> None:
        """Run FLUSHALL, which the services' own user may not."""
        with self._redis() as client:
            client.flushall()

    def hints(self, queue: str) -> int:
        """Return how many hints lie in `queue`."""
        with self._redis() as client:
            return int(client.llen(f"{KEY_PREFIX}{queue}"))

    @contextmanager
    def _redis(self) -> Iterator[Any]:
        password = (self.home / "secret" / "valkey-admin").read_text()
        host = self.part("valkey")["address"]
        client = redis.Redis.from_url(f"redis://:{password}@{host}/0")
        try:
            yield client
        finally:
            client.close()

    def log(self, name: str) -> str:
        """Return what `name` has written to its log."""
        return (self.home / "log" / f"{name}.log").read_text()


def is_running(pid: int) -> bool:
    """Tell whether `pid` still runs; a zombie only waits for somebody to ask for its exit code."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def child_pids(pid: int) -> Sequence[int]:
    """Return the process ids of everything below `pid`."""
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
