"""The Celery worker process that turns messages into pokes of its parent, and does nothing else.

Started by `muster_core.queue.loop` as ``celery -A muster_core.queue.consumer worker``; its addresses come
through the environment, so that no credential stands on a command line. It opens no database connection.
"""

from __future__ import annotations

import os
import socket
import warnings

from celery.platforms import SecurityWarning

from muster_core.queue.app import (
    PARENT_VARIABLE,
    SOCKET_VARIABLE,
    URL_VARIABLE,
    celery_app,
)
from muster_core.queue.death import die_with_parent
from muster_core.queue.kind import Hint

# As root Celery warns of pickle, which is not accepted here.
warnings.filterwarnings("ignore", category=SecurityWarning)

die_with_parent(int(os.environ[PARENT_VARIABLE]))

app = celery_app(os.environ[URL_VARIABLE])
_poker = socket.socket(fileno=int(os.environ[SOCKET_VARIABLE]))
_poker.setblocking(False)


def poke(*_: object, **__: object) -> None:
    """Wake the parent. Safe to run any number of times; what the message holds is not looked at."""
    try:
        _poker.send(b"!")
    except BlockingIOError:
        # Its queue of pokes is full: it will wake anyway.
        return


for hint in Hint:
    app.task(name=hint.task, typing=False)(poke)
