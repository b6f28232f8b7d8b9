"""Service processes that the chaos suite starts itself, so that it can kill, stop and wake each of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil


class Service:
    """One process, started again after every kill."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.kind = name.split("-")[0]
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def restart(self) -> None:
        """Kill it where it still runs, and start it again."""
        self.send(signal.SIGKILL)
        self.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs; stopping and waking means its children, too."""
        if self._process is None or self._process.poll() is not None:
            return
        pids = [self.pid]
        if number in (signal.SIGSTOP, signal.SIGCONT):
            try:
                pids += [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
            except psutil.NoSuchProcess:
                return
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        if number is signal.SIGKILL:
            self._process.wait(10)

    def end(self) -> None:
        """End it in order, and by force where it does not."""
        if self._process is None:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
