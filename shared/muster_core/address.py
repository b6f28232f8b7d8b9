"""Addresses of parts as an operator writes them: read without ever quoting them, for they hold passwords."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from muster_core.errors import InvalidInput, Problem

_SCHEMES = {
    "DATABASE_URL": ("postgresql", "postgres", "postgresql+psycopg"),
    "REDIS_URL": ("redis", "rediss", "unix"),
    "ENGINE": ("sc",),
}


def read_address(variable: str, url: str) -> SplitResult:
    """Take apart the `url` that stands in `variable`.

    Raises:
        InvalidInput: it is no address of one server; the message names the variable only.
    """
    schemes = _SCHEMES[variable]
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _wrong(variable, "it is no address") from None
    if parts.scheme not in schemes or "://" not in url:
        raise _wrong(variable, f"it must begin with {schemes[0]}://")
    if variable != "ENGINE" and _has_bare_password(parts):
        raise _wrong(
            variable,
            "its password holds a character with a meaning in addresses",
            "write / as %2F, # as %23, ? as %3F and @ as %40",
        )
    if "," in parts.netloc.rpartition("@")[2]:
        raise _wrong(variable, "it names several hosts", "name one, or a proxy in front of them")
    try:
        _ = parts.port
    except ValueError:
        # the cause quotes what may be a piece of the password
        raise _wrong(variable, "its port is not a number from 0 to 65535") from None
    return parts


def _has_bare_password(parts: SplitResult) -> bool:
    rest = parts.path + parts.fragment
    return "@" in rest or ("@" in parts.query and "@" not in parts.netloc)


def _wrong(variable: str, message: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput([Problem(message=f"{variable}: {message}", hint=hint)])
