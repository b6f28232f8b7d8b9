"""What takes hints to the server, in the messages of Celery."""

from __future__ import annotations

import time

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from muster_core.queue.app import EXPIRES_SECONDS, sending_app
from muster_core.queue.kind import Hint
from muster_core.telemetry import get_logger

#: After a failure, how many seconds no hint is tried: a dead server must not slow every loop down.
_PAUSE_SECONDS = 5.0

_LOG = get_logger()


class HintSender:
    """Sends hints to one server and pauses after a failure. Not shared between processes."""

    def __init__(self, redis_url: str) -> None:
        self._app = sending_app(redis_url)
        self._silent_until = 0.0

    def send(self, hint: Hint) -> bool:
        """Send `hint` and return whether the server took it; the sweeps make up for a lost one."""
        if time.monotonic() < self._silent_until:
            return False
        try:
            self._app.send_task(
                hint.task,
                queue=hint.queue,
                expires=EXPIRES_SECONDS,
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, RedisError, OSError) as exc:
            # Full, read-only, gone or unreachable: all the same here, and all made up for.
            self._silent_until = time.monotonic() + _PAUSE_SECONDS
            _LOG.warning("hint not sent", hint=hint.value, cause=type(exc).__name__)
            return False
        return True
