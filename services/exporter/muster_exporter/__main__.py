"""``python -m muster_exporter``: delivers what is published, until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import threading

from muster_core.errors import PartUnavailable
from muster_core.settings import Settings
from muster_core.storage.database import open_database
from muster_core.telemetry import configure_logging, get_logger
from muster_exporter.exporter import Exporter


def main() -> None:
    """Run one exporter process in the foreground."""
    parser = argparse.ArgumentParser(prog="muster_exporter", description=__doc__)
    parser.add_argument("--direct", action="store_true", help="look by itself only, without Redis")
    parser.parse_args()
    settings = Settings()
    configure_logging(role="exporter", style=settings.log_format)
    name = f"{socket.gethostname()}:{os.getpid()}"
    exporter = Exporter(
        open_database(settings.database(), application="muster-exporter"), settings, name=name
    )
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        exporter.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    get_logger().info("exporter.ready", name=name)
    while not stop.is_set():
        try:
            exporter.work()
        except PartUnavailable as error:
            get_logger().warning("exporter.waiting", error=str(error))
        stop.wait(settings.sweep_seconds)


if __name__ == "__main__":
    main()
