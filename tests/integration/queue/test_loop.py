from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import redis
from tests.waiting import eventually

from muster_core.errors import PartUnavailable
from muster_core.queue.app import KEY_PREFIX, consumer_environment
from muster_core.queue.kind import Hint
from muster_core.queue.loop import HintedLoop
from muster_core.queue.sender import HintSender

pytestmark = pytest.mark.integration


class Running:
    """A loop in a thread that counts how often it looked for work."""

    def __init__(self, redis_url: str | None, sweep: float, fault: type[Exception] | None = None):
        self.looks: list[float] = []
        self.fault = fault
        self.loop = HintedLoop(Hint.REFRESH, self._work, redis_url=redis_url, sweep_seconds=sweep)
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def _work(self) -> bool:
        self.looks.append(time.monotonic())
        if self.fault is not None:
            raise self.fault
        return False

    def looked_more_than(self, times: int) -> bool:
        return len(self.looks) > times

    def stop(self) -> None:
        self.loop.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def server(redis_url: str) -> redis.Redis:
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    return client


@pytest.fixture
def running(redis_url: str, server: redis.Redis) -> Iterator[Running]:
    """A loop that looks by itself only once an hour, listening."""
    loop = Running(redis_url, sweep=3_600)
    sender = HintSender(redis_url)
    seen = len(loop.looks)
    eventually(lambda: sender.send(Hint.REFRESH) and len(loop.looks) > max(seen, 1), timeout=30)
    eventually(lambda: server.llen(f"{KEY_PREFIX}kick") == 0)
    yield loop
    loop.stop()
    server.close()


def test_a_hint_wakes_an_idle_loop_within_a_tenth_of_a_second(running, redis_url) -> None:
    sender = HintSender(redis_url)
    delays = []
    for _ in range(10):
        seen, begin = len(running.looks), time.monotonic()
        sender.send(Hint.REFRESH)
        eventually(partial(running.looked_more_than, seen), every=0.001)
        delays.append(running.looks[-1] - begin)

    assert sorted(delays)[len(delays) // 2] < 0.1


def test_forged_messages_run_nothing_and_the_next_hint_still_comes(
    running, redis_url, server, tmp_path
) -> None:
    trace = tmp_path / "executed"
    for message in forgeries(trace):
        server.lpush(f"{KEY_PREFIX}kick", message)
    eventually(lambda: server.llen(f"{KEY_PREFIX}kick") == 0, timeout=60)
    seen, sender = len(running.looks), HintSender(redis_url)

    # A message that is no message at all may cost the consumer its life, never the loop.
    eventually(lambda: sender.send(Hint.REFRESH) and len(running.looks) > seen + 1, timeout=60)

    assert not trace.exists()
    assert running.thread.is_alive()


class Exploit:
    """Unpickles into running a command."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def forgeries(trace: Path) -> list[bytes]:
    pickled = pickle.dumps(Exploit(trace))
    arguments = json.dumps([["x" * 1_000], {"a": 1}, {}]).encode()
    huge = json.dumps([["x" * 20_000_000], {}, {}]).encode()
    return [
        envelope(pickled, content_type="application/x-python-serialize"),
        envelope(b"!!python/object/apply:os.system []", content_type="application/x-yaml"),
        envelope(arguments),
        envelope(huge),
        envelope(b"[[], {}, {}]", task="os.system"),
        envelope(b"[[], {}, {}]", eta="9999-01-01T00:00:00+00:00"),
        envelope(b"{}"),
        b"not a message",
        b"{}",
    ]


def envelope(
    body: bytes,
    *,
    task: str = "muster.refresh",
    content_type: str = "application/json",
    eta: str | None = None,
) -> bytes:
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary" if "python" in content_type else "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": str(uuid.uuid4()), "eta": eta},
            "properties": {
                "body_encoding": "base64",
                "correlation_id": str(uuid.uuid4()),
                "delivery_info": {"exchange": "", "routing_key": "kick"},
                "delivery_mode": 2,
                "delivery_tag": str(uuid.uuid4()),
                "priority": 0,
            },
        }
    ).encode()


def test_keys_of_a_wrong_type_fail_a_hint_and_nothing_else(server, redis_url) -> None:
    for name in ("kick", "unacked", "_kombu.binding.kick"):
        server.set(f"{KEY_PREFIX}{name}", "nonsense")

    assert not HintSender(redis_url).send(Hint.REFRESH)
    server.flushall()
    server.close()


def test_without_a_broker_the_loop_looks_every_few_seconds() -> None:
    loop = Running("redis://127.0.0.1:1/0", sweep=0.2)

    eventually(lambda: len(loop.looks) > 5)
    loop.stop()

    waits = [b - a for a, b in zip(loop.looks[1:], loop.looks[2:], strict=False)]
    assert sorted(waits)[len(waits) // 2] < 0.5


def test_without_hints_there_is_no_consumer() -> None:
    loop = Running(None, sweep=0.05)

    eventually(lambda: len(loop.looks) > 3)

    assert loop.loop.consumer_pid is None
    loop.stop()


def test_a_database_that_is_gone_is_waited_for() -> None:
    loop = Running(None, sweep=3_600, fault=PartUnavailable)

    eventually(lambda: len(loop.looks) > 3)
    loop.fault = None
    eventually(lambda: len(loop.looks) > 4)

    loop.stop()


def test_a_consumer_that_is_killed_is_started_again(running, redis_url) -> None:
    first = running.loop.consumer_pid
    os.kill(first, signal.SIGKILL)

    def another() -> bool:
        running.loop.poke()
        return running.loop.consumer_pid not in (None, first)

    eventually(another, timeout=15)
    seen, sender = len(running.looks), HintSender(redis_url)
    eventually(lambda: sender.send(Hint.REFRESH) and len(running.looks) > seen + 2, timeout=30)


def test_no_credential_stands_on_the_consumers_command_line(running, redis_url) -> None:
    line = " ".join(psutil.Process(running.loop.consumer_pid).cmdline())

    assert redis_url not in line
    assert "redis://" not in line


def test_the_consumer_dies_with_its_parent(redis_url) -> None:
    script = (
        "from muster_core.queue.loop import HintedLoop\n"
        "from muster_core.queue.kind import Hint\n"
        "import sys\n"
        "loop = HintedLoop(Hint.REFRESH, lambda: print(loop.consumer_pid, flush=True) or False,"
        " redis_url=sys.stdin.readline().strip(), sweep_seconds=0.1)\n"
        "loop.run()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent, parent.stdin, parent.stdout:
        parent.stdin.write(f"{redis_url}\n")
        parent.stdin.flush()
        consumer = psutil.Process(int(parent.stdout.readline()))
        parent.kill()

    eventually(lambda: not consumer.is_running() or consumer.status() == psutil.STATUS_ZOMBIE)


def test_the_consumer_knows_no_database() -> None:
    script = (
        "import muster_core.queue.consumer, sys;"
        " print({'sqlalchemy', 'psycopg', 'pyspark'} & set(sys.modules))"
    )

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        shown = subprocess.run(
            [sys.executable, "-c", script],
            env={
                **os.environ,
                **consumer_environment("redis://127.0.0.1:1/0", theirs.fileno()),
            },
            pass_fds=(theirs.fileno(),),
            capture_output=True,
            text=True,
            check=True,
        )

    assert shown.stdout.strip() == "set()"
