"""One child process: its log, its end, its beginning."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from muster_console.parts.home import disk_errors
from muster_console.parts.part import Launch
from muster_console.parts.privilege import before_exec
from muster_core.errors import PartUnavailable

LOG_BYTES = 10 * 1024**2


class Child:
    """A process started from a `Launch`, in a session of its own, that dies with its parent thread."""

    def __init__(self, name: str, launch: Launch, log: Path) -> None:
        self.name = name
        self.log = log
        self._launch = launch
        self.started_at = time.time()
        self._asked = False
        cap_log(log)
        self._log_start = log.stat().st_size if log.exists() else 0
        with disk_errors(log.parent):
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                launch.command,
                env=dict(launch.environment),
                cwd=launch.directory if launch.identity is None else "/",
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
                preexec_fn=before_exec(launch.death_signal, launch.identity),  # noqa: PLW1509 - no threads start children
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise PartUnavailable(
                f"{name} cannot start: {launch.command[0]} does not run ({exc})."
            ) from exc
        finally:
            os.close(descriptor)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def stop_seconds(self) -> float:
        """How long `stop` waits for an orderly end before it uses force."""
        return self._launch.stop_seconds

    def exit_code(self) -> int | None:
        """Return how the process ended, None while it runs; a negative number is a signal."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send the signal that ends the process in an orderly way: once, or it would disturb the leaving."""
        if self.exit_code() is None and not self._asked:
            self._asked = True
            self._process.send_signal(self._launch.stop_signal)

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; tell whether it has."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the process and whatever it started in its session, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop in an orderly way, and by force where that takes too long."""
        self.ask_to_stop()
        if not self.wait(self._launch.stop_seconds):
            self.kill()

    def log_end(self, limit: int = 4000) -> str:
        """Return the end of what this process wrote to its log."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(self._log_start, size), size - limit))
            return file.read().decode(errors="replace")


def cap_log(log: Path, limit: int = LOG_BYTES) -> None:
    """Move the log's text to ``<log>.1`` once it is longer than `limit` bytes.

    The file itself stays and is cut: its writers append, so they go on at the new end.
    """
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    earlier = log.with_name(f"{log.name}.1")
    try:
        earlier.touch(mode=0o600)
        shutil.copyfile(log, earlier)
    except OSError:
        # the disk is full: old lines are worth less than the space
        earlier.unlink(missing_ok=True)
    os.truncate(log, 0)
