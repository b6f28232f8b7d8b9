from __future__ import annotations

import time

import pytest

from muster_core.queue.app import celery_app
from muster_core.queue.kind import Hint
from muster_core.queue.sender import HintSender

#: What reliability.md, section 5, asks for and why it matters: a hint is never worth a second of anybody's work.
EXPECTED = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "task_acks_late": False,
    "task_ignore_result": True,
    "task_publish_retry": False,
    "task_create_missing_queues": False,
    "task_default_queue": "kick",
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": False,
    "enable_utc": True,
    "timezone": "UTC",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_setting_is_as_decided(name: str) -> None:
    assert celery_app("redis://127.0.0.1:1/0").conf[name] == EXPECTED[name]


def test_there_are_no_results_and_every_key_is_marked_as_ours() -> None:
    conf = celery_app("redis://127.0.0.1:1/0").conf

    assert conf.result_backend is None
    assert conf.broker_transport_options["global_keyprefix"] == "muster:"
    assert {queue.name for queue in conf.task_queues} == {"kick", "deliver"}


def test_a_broker_that_is_gone_costs_a_sender_nothing() -> None:
    sender = HintSender("redis://127.0.0.1:1/0")
    begin = time.monotonic()

    assert not any(sender.send(hint) for hint in Hint for _ in range(50))
    assert time.monotonic() - begin < 2
