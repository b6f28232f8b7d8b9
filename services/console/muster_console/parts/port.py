"""Ports on 127.0.0.1: the one asked for, the one used last time, or any free one."""

from __future__ import annotations

import socket

import psutil

from muster_core.errors import PartUnavailable


def choose_port(part: str, variable: str, *, fixed: int | None, last: int | None) -> int:
    """Return the port `part` shall listen on: `fixed`, else `last` where it is free, else any free one.

    Raises:
        PartUnavailable: `fixed` is taken; the message names the holder where it is known.
    """
    if fixed is not None:
        if not is_free(fixed):
            raise PartUnavailable(
                f"{part} cannot listen on 127.0.0.1:{fixed}: the port is in use{_holder(fixed)}.",
                hint=f"Stop that process, or set {variable} to a free port or to nothing.",
            )
        return fixed
    if last is not None and is_free(last):
        return last
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` now."""
    with socket.socket() as probe:
        # as the servers do: connections of a server that ended a moment ago do not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Tell whether something listens on `port`."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,):
                if connection.pid is None:
                    return ""
                return f" by {psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:
        # another user's process: the message does without its name
        return ""
    return ""
