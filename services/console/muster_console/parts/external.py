"""Parts the operator runs: named by DATABASE_URL, REDIS_URL or ENGINE, asked once at start."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psycopg
import redis

from muster_core.address import read_address
from muster_core.errors import EngineUnavailable, PartUnavailable
from muster_core.telemetry import redact


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """A part that runs elsewhere."""

    name: str
    variable: str
    url: str

    def __post_init__(self) -> None:
        """Refuse what is no address before anything is shown or started.

        Raises:
            InvalidInput: the variable holds no address of one server.
        """
        read_address(self.variable, self.url)

    @property
    def address(self) -> str:
        """Host and port (and database), without credentials."""
        parts = read_address(self.variable, self.url)
        port = f":{parts.port}" if parts.port else ""
        path = parts.path if self.name == "postgres" else ""
        return f"{parts.hostname or ''}{port}{path}"

    def check(self) -> None:
        """Ask it whether it is there.

        Raises:
            PartUnavailable: PostgreSQL or Redis does not answer, or refuses the credentials.
            EngineUnavailable: nothing listens at the engine's address.
        """
        try:
            _CHECKS[self.name](self.url)
        except (psycopg.Error, redis.RedisError, OSError, ValueError) as exc:
            error = EngineUnavailable if self.name == "engine" else PartUnavailable
            said = redact(str(exc).strip().splitlines()[0]) if str(exc).strip() else ""
            raise error(
                f"{self.variable} names {self.address or 'nothing'}, which does not answer: {said}.",
                hint=f"Start that server, or unset {self.variable} to use the embedded one.",
            ) from exc


def _check_postgres(url: str) -> None:
    plain = f"postgresql://{url.partition('://')[2]}"
    psycopg.connect(plain, connect_timeout=5).close()


def _check_redis(url: str) -> None:
    client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        client.ping()
    finally:
        client.close()


def _check_engine(url: str) -> None:
    parts = read_address("ENGINE", url)
    socket.create_connection((parts.hostname or "", parts.port or 15002), timeout=5).close()


_CHECKS = {"postgres": _check_postgres, "valkey": _check_redis, "engine": _check_engine}
