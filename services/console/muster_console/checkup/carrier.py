"""The Redis-compatible server that carries hints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis

from muster_console.checkup.finding import Finding, error, fine, warning
from muster_console.operation.workspace import Workspace

PART = "redis"

_SECONDS = 5


def check_redis(workspace: Workspace) -> Iterator[Finding]:
    """Look at the server as the services see it."""
    # annotated, because the client's own types differ between versions
    client: Any = redis.Redis.from_url(
        workspace.settings.redis(), socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
    )
    try:
        client.ping()
    except redis.RedisError as exc:
        yield error(
            PART,
            "answers",
            f"no ({type(exc).__name__})",
            "Start it, or correct REDIS_URL. Without it work begins by looking every few seconds.",
        )
        return
    yield fine(PART, "answers", "yes")
    try:
        yield from _memory(client.info("memory"), client.info("server"))
    except redis.RedisError as exc:
        yield warning(
            PART,
            "maxmemory-policy",
            f"cannot be seen ({type(exc).__name__})",
            "Let the user of REDIS_URL run INFO, or make sure by hand that it is noeviction.",
        )
    finally:
        client.close()


def _memory(memory: dict[str, Any], server: dict[str, Any]) -> Iterator[Finding]:
    policy, limit = memory.get("maxmemory_policy"), int(memory.get("maxmemory", 0))
    version = server.get("valkey_version") or server.get("redis_version")
    yield fine(PART, "version", str(version))
    if policy != "noeviction":
        yield error(
            PART,
            "maxmemory-policy",
            f"{policy}: under pressure the server throws whole queues away",
            "Set `maxmemory-policy noeviction`, or give Muster a server of its own.",
        )
    else:
        yield fine(PART, "maxmemory-policy", "noeviction")
    used = int(memory.get("used_memory", 0))
    if limit and used > 0.9 * limit:
        yield warning(
            PART, "memory", f"{used / limit:.0%} of maxmemory", "Raise maxmemory of the server."
        )
