"""What runs in a home, as a file other processes read, and a lock only one supervisor holds."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import psutil

from muster_console.parts.home import Home, disk_errors, write_private
from muster_core.errors import Conflict, PartUnavailable


class ChildState(StrEnum):
    """Where one part or service stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRecord:
    """One line of ``muster status``; `since` is seconds since the epoch."""

    name: str
    kind: str  # part or service
    state: ChildState
    address: str = ""
    pid: int | None = None
    since: float | None = None
    restarts: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeRecord:
    """Everything that runs in one home."""

    state: str  # starting, ready, degraded (a child is down), stopping, stopped
    pid: int
    #: The supervisor's own start, which tells it from a later process with its number.
    pid_started: float
    since: float
    children: tuple[ChildRecord, ...] = field(default=())
    #: The longest an orderly stop of these children can take, in seconds.
    stop_seconds: float = 0.0

    def is_alive(self) -> bool:
        """Tell whether the supervisor that wrote this still runs."""
        return is_same_process(self.pid, self.pid_started)


def write_record(home: Home, record: HomeRecord) -> None:
    """Replace what other processes read about this home."""
    with disk_errors(home.path):
        write_private(home.run / "state.json", json.dumps(asdict(record)), durable=False)


def read_record(path: Path) -> HomeRecord | None:
    """Return what is known about the home at `path`, None where nothing ever ran.

    Raises:
        PartUnavailable: the home is a file, or belongs to somebody else.
    """
    try:
        data = json.loads((path / "run" / "state.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    except OSError as exc:
        raise PartUnavailable(
            f"The data directory {path} cannot be read: {exc.strerror or exc}.",
            hint="Run the command as the user it belongs to, or set MUSTER_HOME to another folder.",
        ) from exc
    children = [
        ChildRecord(**child | {"state": ChildState(child["state"])})
        for child in data.pop("children")
    ]
    return HomeRecord(**data, children=tuple(children))


def own_record(
    state: str, since: float, children: tuple[ChildRecord, ...], *, stop_seconds: float = 0.0
) -> HomeRecord:
    """Return the record of this very process."""
    return HomeRecord(
        state=state,
        pid=os.getpid(),
        pid_started=psutil.Process().create_time(),
        since=since,
        children=children,
        stop_seconds=stop_seconds,
    )


def as_stopped(record: HomeRecord) -> HomeRecord:
    """Return `record` as it is when nothing of it runs any more."""
    children = tuple(
        child
        if child.state is ChildState.EXTERNAL
        else replace(child, state=ChildState.STOPPED, pid=None)
        for child in record.children
    )
    return replace(record, state="stopped", children=children)


@contextmanager
def only_supervisor(home: Home) -> Iterator[None]:
    """Hold the home's lock while the block runs; the lock ends with the process, however that ends.

    Raises:
        Conflict: another ``muster up`` holds it.
    """
    with disk_errors(home.path):
        descriptor = os.open(home.run / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise already_up(home.path) from exc
        yield
    finally:
        os.close(descriptor)


def already_up(path: Path) -> Conflict:
    """Return the error for a home in which everything runs already."""
    record = read_record(path)
    holder = f" (process {record.pid})" if record else ""
    return Conflict(
        f"Muster is already up in {path}{holder}.",
        hint="See `muster status`; stop it with `muster down`; or set MUSTER_HOME to another folder.",
    )


def end_left_overs(record: HomeRecord | None) -> None:
    """End children of a supervisor that was killed; they get a moment to end by themselves.

    Call it while holding the lock only.
    """
    if record is None:
        return
    for child in record.children:
        if child.pid is None or child.since is None:
            continue
        # a child starts a moment before `since` is read; a stranger with its number started later
        if is_same_process(child.pid, child.since, tolerance=5.0) and not _ends(child.pid, 5.0):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(child.pid).kill()
            _ends(child.pid, 5.0)


def is_same_process(pid: int, started: float, *, tolerance: float = 1.0) -> bool:
    """Tell whether `pid` is the process that started at `started`, not a later one with its number."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - started) <= tolerance
    except psutil.NoSuchProcess:
        return False


def _ends(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while _runs(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        # a zombie only waits for somebody to ask for its exit code
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
