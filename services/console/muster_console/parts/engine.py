"""The Spark engine as a child: ``python -m muster_worker.engine``, on 127.0.0.1 with a generated token."""

from __future__ import annotations

import os
import signal
import sys

from muster_console.parts.home import Home, disk_errors, no_space
from muster_console.parts.part import Launch
from muster_console.parts.port import answers


class Engine:
    """The embedded Spark Connect server; what it writes for itself is below ``<home>/engine``."""

    name = "engine"

    def __init__(
        self, home: Home, port: int, *, memory: str, cores: int, short_lived: bool = False
    ) -> None:
        self._home = home
        self._port = port
        self._memory = memory
        self._cores = cores
        self._short_lived = short_lived
        self._directory = home.path / "engine"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The Spark Connect URL with its token; by name, since gRPC sends tokens to `localhost` only."""
        return f"sc://localhost:{self._port}/;token={self._home.secret('engine')}"

    def prepare(self) -> None:
        """Make the directory the engine works in."""
        with disk_errors(self._home.path):
            self._directory.mkdir(parents=True, exist_ok=True)

    def launch(self) -> Launch:
        """Start the server with token, sizes and directory in its environment."""
        return Launch(
            command=(sys.executable, "-m", "muster_worker.engine"),
            environment={
                **os.environ,
                "MUSTER_ENGINE_PORT": str(self._port),
                "MUSTER_ENGINE_TOKEN": self._home.secret("engine"),
                "MUSTER_ENGINE_DIRECTORY": str(self._directory),
                "MUSTER_ENGINE_MEMORY": self._memory,
                "MUSTER_ENGINE_CORES": str(self._cores),
                **({"MUSTER_ENGINE_SHORT_LIVED": "1"} if self._short_lived else {}),
            },
            directory=self._directory,
            stop_signal=signal.SIGTERM,
            stop_seconds=10.0,
        )

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server listens, which is the last thing it does at start."""
        return answers(self._port)

    def advice(self, log: str) -> str:
        """Say what to do about the reasons the engine is known to die from at start."""
        if "No space left on device" in log:
            raise no_space(self._home.path)
        if "Address already in use" in log:
            return "Another process took its port; set MUSTER_ENGINE_PORT to a free one."
        if "Could not reserve enough space" in log or "insufficient memory" in log:
            return "Set MUSTER_ENGINE_MEMORY to less than the memory that is free, such as 1g."
        if "JAVA_HOME" in log:
            return ""
        return "Set JAVA_HOME to another Java 17 or 21, or ENGINE to a Spark Connect server of your own."
