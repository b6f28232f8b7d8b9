"""Muster's own processes as children: scheduler, worker, exporter, console."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg

from muster_console.parts.home import Home, no_space
from muster_console.parts.part import Launch

#: In the order they are shown and started.
SERVICES = {
    "scheduler": "muster_scheduler",
    "worker": "muster_worker",
    "exporter": "muster_exporter",
    "console": "muster_console.api",
}


class Service:
    """One service process; it is ready once it has signed on in the table `process`."""

    def __init__(
        self,
        name: str,
        home: Home,
        *,
        addresses: Mapping[str, str],
        database_url: str,
        stop_seconds: float,
        port: int | None = None,
    ) -> None:
        self.name = name
        self._port = port
        #: Where people and programs reach it; empty where it listens nowhere.
        self.address = f"http://127.0.0.1:{port}" if port else ""
        self._home = home
        self._addresses = addresses
        self._database_url = database_url
        self._stop_seconds = stop_seconds

    def prepare(self) -> None:
        """Nothing is needed before a service starts."""

    def launch(self) -> Launch:
        """Start the service's module with the addresses of all parts in its environment."""
        return Launch(
            command=(sys.executable, "-m", SERVICES[self.name]),
            environment={
                **os.environ,
                **self._addresses,
                "MUSTER_HOME": str(self._home.path),
                "PYTHONUNBUFFERED": "1",
                **({"MUSTER_CONSOLE_PORT": str(self._port)} if self._port else {}),
            },
            directory=Path.cwd(),
            stop_signal=signal.SIGTERM,
            stop_seconds=self._stop_seconds,
        )

    def is_ready(self, pid: int) -> bool:
        """Tell whether process `pid` has signed on: on this host, since it started."""
        try:
            # by how long it has run, so that the two clocks need not agree
            age = max(0.0, time.time() - psutil.Process(pid).create_time())
            with psycopg.connect(self._database_url, connect_timeout=2) as connection:
                found = connection.execute(
                    """SELECT 1 FROM process WHERE kind = %s AND host = %s AND pid = %s
                          AND seen_at >= clock_timestamp() - make_interval(secs => %s)""",
                    [self.name, socket.gethostname(), pid, age],
                ).fetchone()
        except (psycopg.Error, psutil.NoSuchProcess):
            return False
        return found is not None

    def advice(self, log: str) -> str:
        """Point to the log; a service has no settings that keep it from starting."""
        if "No space left on device" in log:
            raise no_space(self._home.path)
        return "Read its log, mend what it names, and start again with `muster up`."
