"""``python -m muster_worker.engine``: become the Spark Connect server this environment describes.

Read: `MUSTER_ENGINE_PORT`, `MUSTER_ENGINE_TOKEN`, `MUSTER_ENGINE_DIRECTORY`, `MUSTER_ENGINE_MEMORY` and
`MUSTER_ENGINE_CORES`.
`MUSTER_ENGINE_MASTER` (``spark://host:port``) makes it hand its tasks to a standalone cluster; then also
`MUSTER_ENGINE_SECRET`, `MUSTER_ENGINE_HOST`, `MUSTER_ENGINE_PYTHON` and `MUSTER_ENGINE_EXECUTOR_MEMORY` are
read, see `muster_worker.engine.server.Cluster`.
The process is replaced by java, so a signal to its pid reaches the server itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from muster_core.errors import MusterError
from muster_worker.engine.server import (
    LOOPBACK,
    Cluster,
    ServerOptions,
    check_java,
    java_binary,
    prepare_directory,
    server_command,
    server_environment,
)


def _cluster() -> Cluster | None:
    master = os.environ.get("MUSTER_ENGINE_MASTER")
    if not master:
        return None
    return Cluster(
        master=master,
        secret=os.environ.pop("MUSTER_ENGINE_SECRET"),
        host=os.environ.get("MUSTER_ENGINE_HOST", LOOPBACK),
        python=os.environ.get("MUSTER_ENGINE_PYTHON", "python3"),
        executor_memory=os.environ.get("MUSTER_ENGINE_EXECUTOR_MEMORY", "1g"),
    )


def main() -> None:
    """Start the server in the foreground; end with code 1 and a message where it cannot start."""
    options = ServerOptions(
        port=int(os.environ["MUSTER_ENGINE_PORT"]),
        token=os.environ.pop("MUSTER_ENGINE_TOKEN"),
        directory=Path(os.environ["MUSTER_ENGINE_DIRECTORY"]).absolute(),
        memory=os.environ.get("MUSTER_ENGINE_MEMORY", "1g"),
        cores=os.environ.get("MUSTER_ENGINE_CORES", "*"),
        short_lived=os.environ.get("MUSTER_ENGINE_SHORT_LIVED") == "1",
        cluster=_cluster(),
    )
    try:
        java = java_binary()
        check_java(java)
        prepare_directory(options)
        command = server_command(java, options)
        environment = server_environment(options)
    except MusterError as exc:
        sys.exit(str(exc))
    os.chdir(options.directory)
    os.execve(java, command, environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
