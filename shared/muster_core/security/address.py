"""Which hosts a connection may name and which addresses it may reach.

Everything that is not a public address is refused: private, loopback, link-local (where clouds keep their
metadata), carrier-grade, multicast, and the IPv6 forms that lead to IPv4 addresses. What an administrator
names in MUSTER_OUTBOUND_ALLOW is let through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_QUAD = re.compile(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
#: Names that never stand for a public host, whatever they resolve to.
_LOCAL = ("localhost", "local", "internal", "localdomain", "home.arpa")
_NAT64 = IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = IPv6Network("::/96")
_MAX_URL = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One entry of the allow-list: a network or a host name, for one port or for all."""

    network: Network | None = None
    host: str | None = None
    port: int | None = None

    def covers_host(self, host: str, port: int) -> bool:
        """Whether the entry names this very host."""
        return self.host == host and self.port in (None, port)

    def covers(self, address: Address, port: int) -> bool:
        """Whether the address lies in the entry's network."""
        return (
            self.network is not None
            and address.version == self.network.version
            and address in self.network
            and self.port in (None, port)
        )


def read_allowed(written: str) -> tuple[Allowed, ...]:
    """Read an allow-list: addresses, networks and host names, separated by commas, each with ``:port`` or not.

    An IPv6 address with a port stands in brackets.

    Raises:
        ValueError: an entry is none of these; the message quotes it.
    """
    return tuple(_entry(word.strip().lower()) for word in written.split(",") if word.strip())


def _entry(word: str) -> Allowed:
    host, port = word, None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?", word)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif word.count(":") == 1:
        host, _, port = word.partition(":")
    number = None if port is None else int(port) if port.isdecimal() else 0
    if number is not None and not 1 <= number <= 65535:
        raise ValueError(f"`{word}` has no port between 1 and 65535")
    try:
        return Allowed(network=ip_network(host), port=number)
    except ValueError:
        if fault := host_fault(host):
            raise ValueError(f"`{word}` is no network and no host name: {fault}") from None
        return Allowed(host=host, port=number)


def is_public(address: Address) -> bool:
    """Whether everybody may reach `address`, looking through IPv6 forms of IPv4 addresses."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and (address in _NAT64 or address in _V4_COMPATIBLE):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def host_fault(host: str) -> str | None:
    """Return what is wrong with the spelling of `host`, or None; nothing is resolved."""
    if not host or len(host) > 253:
        return "a host name has 1 to 253 characters"
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            return "this is no IPv6 address"
        return "an IPv6 address has no zone" if "%" in host else None
    if not host.isascii():
        return "write a name with other than ASCII letters in its xn-- form"
    if host.endswith("."):
        return "a host name does not end in a dot"
    labels = host.lower().split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "a host name has letters, digits, - and _ only, in parts of 1 to 63"
    if _NUMBER.fullmatch(labels[-1]) and not _is_quad(host):
        return "write an IPv4 address as four decimal numbers"
    return None


def is_local_name(host: str) -> bool:
    """Whether the name itself says that it is nobody's public host."""
    lowered = host.lower()
    if is_address(lowered):
        return False
    return "." not in lowered or any(
        lowered == word or lowered.endswith(f".{word}") for word in _LOCAL
    )


def is_address(host: str) -> bool:
    """Whether `host` is an address and no name."""
    return ":" in host or _is_quad(host)


def _is_quad(host: str) -> bool:
    return bool(_QUAD.fullmatch(host)) and all(int(part) < 256 for part in host.split("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL taken apart."""

    scheme: str
    host: str
    port: int


_PORTS = {"https": 443, "http": 80}


def url_fault(url: str) -> str | None:
    """Return what makes `url` unfit to send to, or None; nothing is resolved."""
    if len(url) > _MAX_URL:
        return f"the address is longer than {_MAX_URL} characters"
    if any(ord(c) <= 0x20 or ord(c) >= 0x7F for c in url) or "\\" in url:
        return "the address holds spaces, control characters, a backslash or other than ASCII"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "this is no address"
    if parts.scheme not in _PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        return "the address begins with https://"
    if "@" in parts.netloc:
        return "the address holds a user name; credentials are given apart"
    if parts.fragment or "#" in url:
        return "the address has a part behind #, which is never sent"
    if port == 0:
        return "the port is not between 1 and 65535"
    return host_fault(parts.hostname or "")


def read_url(url: str) -> Target:
    """Take apart an address that `url_fault` finds nothing wrong with.

    Raises:
        ValueError: it is not fit to send to.
    """
    if fault := url_fault(url):
        raise ValueError(fault)
    parts = urlsplit(url)
    return Target(
        scheme=parts.scheme,
        host=(parts.hostname or "").lower(),
        port=parts.port or _PORTS[parts.scheme],
    )
