"""Breaks things at random, by a seed: kills, stops, outages, nonsense in Redis, full disks, cut cables."""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import redis
import sqlalchemy as sa
from tests.chaos import disk
from tests.chaos.world import World
from tests.running import Parts

from muster_core.errors import TransientError
from muster_core.queue.app import KEY_PREFIX
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.storage.database import transaction

_JUNK = (
    b"not json at all",
    (
        b'{"body": "gASVBAAAAAAAAACMAFiULg==", "content-type": "application/x-python-serialize",'
        b' "content-encoding": "base64", "headers": {"task": "muster.refresh", "id": "1"},'
        b' "properties": {"delivery_tag": "1", "delivery_info": {"routing_key": "kick"}}}'
    ),
    b'{"headers": {"task": "os.system", "id": "2"}, "body": "W10="}',
    b"[]",
    b"x" * 1_000_000,
)

#: At least so many seconds between two of these: each takes a part away from everybody for seconds.
_RARE = {"kill engine": 30.0, "crash postgres": 20.0, "full disk": 20.0, "kill redis": 8.0}

#: After so many seconds the engine is killed whether or not anything was published meanwhile.
_LONG_ENOUGH = 75.0


@dataclass(slots=True, kw_only=True)
class Nemesis:
    """One seeded stream of faults; `count` says how often each was done."""

    world: World
    chance: random.Random
    count: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _versions: int = 0
    _seen: float = 0.0
    _last: dict[str, float] = field(default_factory=dict)

    def faults(self) -> dict[str, tuple[int, Callable[[], None]]]:
        """Return what can be done here, with weights."""
        found: dict[str, tuple[int, Callable[[], None]]] = {
            "kill engine": (60, lambda: self._kill_part("engine")),
            "crash postgres": (4, lambda: self._kill_part("postgres", signal.SIGQUIT)),
            "kill redis": (4, lambda: self._kill_part("valkey")),
            "flush redis": (4, self._flush),
            "forged messages": (4, self._forge),
            "repeated hints": (4, self._repeat),
        }
        for kind in ("worker", "exporter", "scheduler"):
            found[f"kill {kind}"] = (9, lambda kind=kind: self._kill(kind))  # type: ignore[misc]
            found[f"stop {kind}"] = (5, lambda kind=kind: self._stop(kind))  # type: ignore[misc]
        found["terminate worker"] = (3, self._terminate)
        if self.world.proxy is not None:
            found["cut network"] = (5, self._cut)
        if self.world.small_disk:
            found["full disk"] = (4, self._fill)
        return found

    def step(self) -> None:
        """Do one thing, and what earlier ones put off."""
        self.tend()
        faults = self.faults()
        now = time.monotonic()
        ready = [
            name for name in faults if now - self._last.get(name, -1e9) >= _RARE.get(name, 0.0)
        ]
        idle = now - self._last.get("kill engine", -1e9)
        if idle < _LONG_ENOUGH and "kill engine" in ready and not self._engine_has_worked():
            ready.remove("kill engine")
        name = self.chance.choices(ready, [faults[one][0] for one in ready])[0]
        self._last[name] = now
        faults[name][1]()
        self.count[name] += 1

    def _engine_has_worked(self) -> bool:
        """Whether anything was published since the engine was last killed: it takes long to start.

        Seldom so among all the other faults; it is killed soon once it is, hence the weight.
        """
        try:
            with transaction(self.world.database) as connection:
                versions = connection.scalar(sa.text("SELECT count(*) FROM membership_version"))
        except TransientError:
            return False
        if "kill engine" in self._last and self._seen != self._last["kill engine"]:
            self._seen, self._versions = self._last["kill engine"], versions
        return bool(versions > self._versions)

    def tend(self, *, everything: bool = False) -> None:
        """Undo what is due: wake, start again, give space back."""
        while self._later and (everything or self._later[0][0] <= time.monotonic()):
            heapq.heappop(self._later)[2]()

    def _after(self, seconds: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), undo))

    def _kill(self, kind: str) -> None:
        service = self.chance.choice(self.world.of(kind))
        service.send(signal.SIGKILL)
        self._after(self.chance.uniform(0.1, 1.5), service.start)

    def _stop(self, kind: str) -> None:
        """Stop it shorter or longer than a lease; what it had may be somebody else's when it wakes."""
        service = self.chance.choice(self.world.of(kind))
        service.send(signal.SIGSTOP)
        lease = self.world.lease_seconds
        self._after(
            self.chance.choice((0.3, 0.8, 1.3, 1.8)) * lease, lambda: service.send(signal.SIGCONT)
        )

    def _terminate(self) -> None:
        service = self.chance.choice(self.world.of("worker"))
        service.send(signal.SIGTERM)
        self._after(6.0, service.restart)

    def _kill_part(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        # being started again already is as good as being killed once more
        with suppress(AssertionError, ProcessLookupError):
            self.world.parts.kill(name, number)

    def _redis(self, work: Callable[[redis.Redis], object]) -> None:
        with (
            suppress(redis.RedisError, AssertionError, OSError),
            self.world.parts._redis() as client,
        ):
            work(client)

    def _flush(self) -> None:
        self._redis(lambda client: client.flushall())

    def _forge(self) -> None:
        junk = self.chance.choices(_JUNK, k=3)

        def push(client: redis.Redis) -> None:
            for queue in ("kick", "deliver"):
                if self.chance.random() < 0.3:
                    client.set(f"{KEY_PREFIX}{queue}", "of the wrong type", ex=2)
                else:
                    client.lpush(f"{KEY_PREFIX}{queue}", *junk)

        self._redis(push)

    def _repeat(self) -> None:
        for _ in range(5):
            send_hint(self.world.settings, Hint.REFRESH)
            send_hint(self.world.settings, Hint.DELIVER)

    def _cut(self) -> None:
        proxy = self.world.proxy
        assert proxy is not None
        proxy.send(signal.SIGSTOP)
        lease = self.world.lease_seconds
        self._after(self.chance.choice((0.3, 0.8, 1.5)) * lease, lambda: proxy.send(signal.SIGCONT))

    def _fill(self) -> None:
        disk.fill(self.world.lake_folder)
        self._after(self.chance.uniform(1, 4), lambda: disk.empty(self.world.lake_folder))


def wait_for_parts(parts: Parts, seconds: float) -> None:
    """Wait until the parts that were killed last are ready again."""
    for name in ("postgres", "valkey", "engine"):
        parts.wait_until_ready(name, seconds=seconds)
