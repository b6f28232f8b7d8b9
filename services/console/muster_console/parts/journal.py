"""What a supervisor did, in ``<home>/log/up.log``, whether or not it has a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from muster_console.parts.child import cap_log
from muster_console.parts.home import disk_errors
from muster_core.telemetry import redact


@contextmanager
def journal(log: Path) -> Iterator[structlog.typing.FilteringBoundLogger]:
    """Open the log file at `log` for the block and yield a logger that writes JSON lines to it."""
    cap_log(log)
    with disk_errors(log.parent):
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "a")
    with file:
        logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _without_credentials,
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(20),
        )
        yield logger


def _without_credentials(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {k: redact(v) if isinstance(v, str) else v for k, v in event.items()}
