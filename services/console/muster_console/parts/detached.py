"""Start a supervisor that outlives this command, and stop one that runs in this home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from muster_console.parts.child import cap_log
from muster_console.parts.home import Home, disk_errors
from muster_console.parts.state import (
    HomeRecord,
    already_up,
    as_stopped,
    end_left_overs,
    is_same_process,
    only_supervisor,
    read_record,
    write_record,
)
from muster_core import errors
from muster_core.errors import Conflict, InvalidInput, MusterError, PartUnavailable, Problem
from muster_core.settings import Settings

#: What the supervisor needs beside the time its children may take to stop, on a busy machine.
_MARGIN_SECONDS = 15.0


def start_detached(settings: Settings) -> HomeRecord:
    """Start everything in the background and return when it is ready.

    Raises:
        Conflict: everything runs already.
        MusterError: something cannot start; what had started is stopped again.
    """
    home = Home(settings.home)
    home.create()
    record = read_record(home.path)
    if record is not None and record.is_alive():
        raise already_up(home.path)
    reader, writer = os.pipe()
    process = _spawn(home, writer)
    with os.fdopen(reader) as pipe:
        try:
            line = pipe.readline()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            process.wait(_stop_seconds(read_record(home.path)))
            raise
    outcome = json.loads(line) if line else None
    if outcome is None or "ready" not in outcome:
        process.wait(_stop_seconds(read_record(home.path)))
        raise _failure(outcome, home)
    # it lives on by itself: nobody here will collect its exit code
    process.returncode = 0
    ready = read_record(home.path)
    assert ready is not None
    return ready


def stop_running(settings: Settings) -> HomeRecord | None:
    """Stop what runs in this home, and end what a killed supervisor left; None where nothing runs.

    Raises:
        PartUnavailable: it does not stop in time, or the home cannot be read.
        Conflict: it belongs to another user.
    """
    path = settings.home.absolute()
    record = read_record(path)
    if record is None:
        return None
    if not record.is_alive():
        return _clean_up(settings, record)
    _ask_to_stop(record.pid)
    limit = _stop_seconds(record)
    end = time.monotonic() + limit
    while is_same_process(record.pid, record.pid_started):
        if time.monotonic() > end:
            raise PartUnavailable(
                f"Process {record.pid} has not stopped after {limit:g} s.",
                hint=f"Its log is {path / 'log' / 'up.log'}; `kill -9 {record.pid}` ends everything at once.",
            )
        time.sleep(0.05)
    return record


def living_record(path: Path) -> HomeRecord | None:
    """Return what is known of the home at `path`, with everything dead shown as stopped."""
    record = read_record(path)
    if record is None or record.is_alive():
        return record
    return as_stopped(record)


def _stop_seconds(record: HomeRecord | None) -> float:
    """Return how long an orderly stop may take: as the supervisor, which read its settings, wrote it."""
    return (record.stop_seconds if record else 0.0) + _MARGIN_SECONDS


def _ask_to_stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        # it ended by itself a moment ago
        return
    except PermissionError as exc:
        raise Conflict(
            f"Process {pid}, which runs this home, belongs to another user.",
            hint="Run `muster down` as that user.",
        ) from exc


def _clean_up(settings: Settings, record: HomeRecord) -> HomeRecord | None:
    if record.state == "stopped":
        return None
    home = Home(settings.home)
    with only_supervisor(home):
        end_left_overs(record)
        settings.parts_file.unlink(missing_ok=True)
        write_record(home, as_stopped(record))
    return record


def _spawn(home: Home, writer: int) -> subprocess.Popen[bytes]:
    log = home.log / "up.log"
    cap_log(log)
    try:
        with disk_errors(home.path):
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "muster_console.parts", str(writer)],
                env={**os.environ, "MUSTER_HOME": str(home.path)},
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=[writer],
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
    finally:
        os.close(writer)


def _failure(outcome: dict[str, Any] | None, home: Home) -> MusterError:
    if outcome is None:
        return PartUnavailable(
            "The supervisor ended before everything was ready.",
            hint=f"Its log is {home.log / 'up.log'}.",
        )
    if outcome["problems"]:
        lead = str(outcome["message"]).removesuffix("; nothing was changed.")
        return InvalidInput([Problem(**problem) for problem in outcome["problems"]], lead)
    kinds = {
        kind.code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, MusterError)
        and not issubclass(kind, InvalidInput)
    }
    kind = kinds.get(outcome["code"], MusterError)
    return kind(outcome["message"], hint=outcome["hint"])
