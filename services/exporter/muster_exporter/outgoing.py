"""HTTP connections that lead only where the guard lets them: clients of object stores are given these.

A client resolves names by itself, each time anew, so the address that was judged might not be the one that is
connected to. Its connections are therefore opened by the guard, and only TLS and HTTP are left to it.
"""

from __future__ import annotations

import socket
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from muster_core.security.outbound import CONNECT_SECONDS, Guard


def guarded_pools(guard: Guard, plain: Any = None, secure: Any = None) -> dict[str, type[Any]]:
    """Return urllib3's pools by scheme, their connections opened by `guard`.

    `plain` and `secure` are the pools of a client that has its own; a redirect is just another connection.
    """
    pools = {"http": plain or HTTPConnectionPool, "https": secure or HTTPSConnectionPool}
    return {scheme: _guarded_pool(guard, pool) for scheme, pool in pools.items()}


def _guarded_pool(guard: Guard, pool: type[Any]) -> type[Any]:
    def open_socket(self: HTTPConnection | HTTPSConnection) -> socket.socket:
        wanted = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECONDS
        connected = guard.connect(self.host, self.port, seconds=min(wanted, CONNECT_SECONDS))
        connected.settimeout(wanted)
        return connected

    connection = type("GuardedConnection", (pool.ConnectionCls,), {"_new_conn": open_socket})
    return type("GuardedPool", (pool,), {"ConnectionCls": connection})


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = guarded_pools(self._guard)


def guarded_session(guard: Guard) -> Session:
    """Return a session of requests whose connections are opened by `guard`, without any proxy."""
    session = Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _GuardedAdapter(guard))
    return session
