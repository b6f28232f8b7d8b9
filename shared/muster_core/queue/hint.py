"""Sends hints: best effort, after the commit, never in the way of the work."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from muster_core.errors import PartUnavailable
from muster_core.queue.kind import Hint
from muster_core.settings import Settings
from muster_core.telemetry import get_logger

if TYPE_CHECKING:
    from muster_core.queue.sender import HintSender

_LOG = get_logger()


@cache
def _sender(redis_url: str) -> HintSender:
    # Celery and the client of Redis take a third of a second to import, and most commands send no hint.
    from muster_core.queue.sender import HintSender

    return HintSender(redis_url)


def send_hint(settings: Settings, hint: Hint | str) -> bool:
    """Say that there may be work (``refresh`` or ``deliver``); return whether anybody could be told."""
    try:
        url = settings.redis()
    except PartUnavailable:
        _LOG.warning("hint not sent", hint=str(hint), cause="no REDIS_URL")
        return False
    return _sender(url).send(Hint(hint))
