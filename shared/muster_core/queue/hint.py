"""Sends hints: best effort, after the commit, never in the way of the work."""

from __future__ import annotations

import time
from functools import cache

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from muster_core.errors import PartUnavailable
from muster_core.queue.app import EXPIRES_SECONDS, Hint, sending_app
from muster_core.settings import Settings
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


@cache
def _sender(redis_url: str) -> HintSender:
    return HintSender(redis_url)


def send_hint(settings: Settings, hint: Hint | str) -> bool:
    """Say that there may be work (``refresh`` or ``deliver``); return whether anybody could be told."""
    try:
        url = settings.redis()
    except PartUnavailable:
        _LOG.warning("hint not sent", hint=str(hint), cause="no REDIS_URL")
        return False
    return _sender(url).send(Hint(hint))
