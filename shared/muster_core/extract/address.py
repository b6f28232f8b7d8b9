"""Addresses of PostgreSQL sources: they stand in the environment, and only their host is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from muster_core.errors import TerminalError


def variable_of(connection: str) -> str:
    """Return the environment variable in which the address of a connection stands."""
    if connection.startswith("${"):
        return connection[2:-1]
    return f"MUSTER_SOURCE_{connection.upper()}_URL"


def resolve_address(connection: str, environ: Mapping[str, str]) -> str:
    """Return the address of a connection.

    Raises:
        TerminalError: its variable is not set, or holds no PostgreSQL address; the value is not quoted.
    """
    variable = variable_of(connection)
    url = environ.get(variable, "")
    if not url:
        raise TerminalError(
            f"The environment variable {variable} with the address of a source is not set.",
            hint="Set it for every Muster process: postgresql://user:password@host/database",
        )
    if not url.startswith(("postgresql://", "postgres://")):
        raise TerminalError(
            f"{variable} is no address of a PostgreSQL server.",
            hint="It begins with postgresql://",
        )
    return url


def shown_host(url: str) -> str:
    """Return host and port of an address: all of it that messages and logs may show."""
    try:
        found = urlsplit(url)
        host, port = found.hostname, found.port
    except ValueError:
        return "the source's server"
    if not host:
        return "the local server"
    return f"{host}:{port}" if port else host
