"""The Celery application that carries hints: "look, there may be work", without arguments or results.

A hint may be lost, repeated or forged without harm: PostgreSQL holds the queue, and whoever is woken looks
there. So messages are acknowledged early, never retried, expire soon, and nothing in them is read.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu.entity import Queue

from muster_core.queue.kind import Hint

#: Seconds after which nobody needs a hint any more: the sweep has looked by then.
EXPIRES_SECONDS = 30

#: Keys of Muster on a shared server.
KEY_PREFIX = "muster:"


#: How the consumer process is told where it is: never on a command line, which anybody can read.
SOCKET_VARIABLE = "MUSTER_HINT_SOCKET"
PARENT_VARIABLE = "MUSTER_HINT_PARENT"
URL_VARIABLE = "MUSTER_HINT_REDIS_URL"


def consumer_environment(redis_url: str, socket: int) -> dict[str, str]:
    """Return the variables a consumer needs that this process starts; `socket` is the descriptor it inherits."""
    return {
        URL_VARIABLE: redis_url,
        SOCKET_VARIABLE: str(socket),
        PARENT_VARIABLE: str(os.getpid()),
    }


def celery_app(redis_url: str) -> Celery:
    """Return a Celery application on the Redis-compatible server at `redis_url`; nothing is connected yet."""
    app = Celery("muster", broker=redis_url, set_as_current=False)
    app.conf.update(_configuration())
    return app


def sending_app(redis_url: str) -> Celery:
    """Return the application of those who only send: one short try, since a lost hint does no harm."""
    app = celery_app(redis_url)
    # kombu would otherwise retry a refused connection for six seconds, whatever `retry=False` says. A server that
    # takes connections and never answers costs two of these waits, and a request has 1.5 s in all.
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "socket_connect_timeout": 0.4,
        "socket_timeout": 0.4,
        "retry_on_timeout": False,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
        "connect_retries_timeout": 1,
    }
    return app


def _configuration() -> dict[str, Any]:
    return {
        # Messages: text only, early acknowledgement, no results, no second try.
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "task_acks_on_failure_or_timeout": True,
        "task_ignore_result": True,
        "task_publish_retry": False,
        "task_send_sent_event": False,
        # Queues: explicit, so that a misspelt one fails at once.
        "task_create_missing_queues": False,
        "task_queues": [Queue(hint.queue) for hint in Hint],  # type: ignore[no-untyped-call]
        "task_default_queue": Hint.REFRESH.queue,
        # The broker: found dead within seconds, waited for without end.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 4,
        "broker_pool_limit": 4,
        "broker_transport_options": {
            "visibility_timeout": 3600,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 6,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": True,
            "global_keyprefix": KEY_PREFIX,
            "queue_order_strategy": "priority",
        },
        # The consumer: does nothing but hand hints on; no remote control, no events.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_proc_alive_timeout": 60,
        "worker_max_tasks_per_child": 50,
        "worker_max_memory_per_child": 400_000,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_prefetch_count_reduction": False,
        "worker_soft_shutdown_timeout": 0,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "enable_utc": True,
        "timezone": "UTC",
    }
