"""Servers in containers, where a Docker daemon really answers; a docker command alone proves nothing."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
from docker.errors import DockerException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer


@cache
def docker_answers() -> bool:
    """Tell whether containers can be started here."""
    with warnings.catch_warnings():
        # the client leaves its socket open when nothing answers
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return _ping()
        except DockerException:
            return False
        finally:
            gc.collect()


def _ping() -> bool:
    client = docker.from_env(timeout=3)
    try:
        return bool(client.ping())
    finally:
        client.close()


@contextmanager
def postgres_container() -> Iterator[str]:
    """Run PostgreSQL in a container and yield its URL."""
    with PostgresContainer("postgres:18", driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def redis_container() -> Iterator[str]:
    """Run Valkey in a container and yield its URL."""
    with RedisContainer("valkey/valkey:9") as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        yield f"redis://{host}:{port}/0"
