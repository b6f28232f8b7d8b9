"""Structured logs: one JSON object a line, with the process's role and the ids bound to the work.

Only names, ids, counts, durations and error classes are logged; the last processor blanks every value
whose key or shape says it is a credential, as a second wall.
"""

from __future__ import annotations

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRET_KEY = re.compile(r"password|secret|token|credential|authorization", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=token=)[^;&\s]+|(?<=password=)[^;&\s]+")
#: A password may hold `/` and `@`, though it should not: everything before the last `@` goes.
_URL_CREDENTIAL = re.compile(r"(?<=://)(?:[^/\s:]*:\S+|[^/\s]+)@")


def redact(text: str) -> str:
    """Return `text` without the credentials of any URL in it."""
    return _URL_CREDENTIAL.sub("***", _PARAMETER.sub("***", text))


def configure_logging(*, role: str, style: str = "json") -> None:
    """Send this process's logs to standard error as `style` (``json`` or ``console``)."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _blank_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger bound to this process's context."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _blank_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {
        key: "***"
        if _SECRET_KEY.search(key)
        else redact(value)
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }
