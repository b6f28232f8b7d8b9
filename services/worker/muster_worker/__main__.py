"""``python -m muster_worker``: evaluates what is due, until SIGTERM.

The process that works has no broker connection; hints reach it from a child, and none with ``--direct``.
"""

from __future__ import annotations

import argparse
import signal
import time

from muster_core.errors import MusterError
from muster_core.queue.kind import Hint
from muster_core.queue.loop import HintedLoop
from muster_core.settings import Settings
from muster_core.storage.database import open_database
from muster_core.storage.process import process_name
from muster_core.telemetry import configure_logging, get_logger
from muster_worker.app import Worker
from muster_worker.presence import Presence


def main() -> None:
    """Run one worker in the foreground."""
    parser = argparse.ArgumentParser(prog="muster_worker", description=__doc__)
    parser.add_argument("--direct", action="store_true", help="look by itself only, without Redis")
    direct = parser.parse_args().direct
    settings = Settings()
    configure_logging(role="worker", style=settings.log_format)
    try:
        _run(settings, direct=direct)
    except MusterError as exc:
        get_logger().error("worker cannot run", error=exc.code, message=str(exc))
        raise SystemExit(1) from exc


def _run(settings: Settings, *, direct: bool) -> None:
    database = open_database(settings.database(), application="muster-worker")
    name = process_name("worker")
    worker = Worker(database=database, settings=settings, name=name)
    loop = HintedLoop(
        Hint.REFRESH,
        worker.work_once,
        redis_url=None if direct else settings.redis(),
        sweep_seconds=settings.sweep_seconds,
    )

    def stop(*_: object) -> None:
        worker.stop()
        loop.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        # one that only looks by itself misses no hints
        hints = time.monotonic_ns if direct else lambda: loop.hints
        with Presence(database, name=name, doing=lambda: worker.doing, hints=hints):
            get_logger().info("worker ready", name=name, direct=direct)
            loop.run()
    finally:
        worker.close()
        database.dispose()
        get_logger().info("worker ended")


if __name__ == "__main__":
    main()
