"""Reads names of time zones: those of the IANA database, never a path, an offset or an abbreviation."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def _known() -> frozenset[str]:
    # Names without a slash (EST5EDT, MST, Cuba) are old links, some with rules nobody expects.
    return frozenset(name for name in available_timezones() if "/" in name) | {"UTC"}


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def read_zone(name: object) -> ZoneInfo:
    """Return the zone called `name`.

    Raises:
        ValueError: there is none; the message can be shown.
    """
    if not isinstance(name, str) or name not in _known():
        shown = repr(name[:60]) if isinstance(name, str) else type(name).__name__
        raise ValueError(f"{shown} is no time zone; write one such as Europe/Berlin or UTC")
    return _zone(name)
