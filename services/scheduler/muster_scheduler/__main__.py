"""Run the scheduler in the foreground until SIGTERM or SIGINT: ``python -m muster_scheduler``."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from celery.beat import Service

from muster_core.settings import Settings
from muster_core.telemetry import configure_logging, get_logger
from muster_scheduler.app import scheduler_app
from muster_scheduler.beat import DueScheduler


def main() -> None:
    """Tick until told to stop."""
    settings = Settings()
    configure_logging(role="scheduler", style=settings.log_format)
    # Beat sleeps between ticks; only an exception ends a sleep.
    signal.signal(signal.SIGTERM, _leave)
    service = Service(scheduler_app(settings), scheduler_cls=DueScheduler)
    get_logger().info("scheduler started")
    service.start()
    get_logger().info("scheduler stopped")


def _leave(_: int, __: FrameType | None) -> None:
    # a second signal would end the sign-off in the middle
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    main()
