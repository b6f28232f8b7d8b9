"""The one way out: a name is resolved once, every address is judged, and that very address is connected to.

So a name that answers with a public address first and a private one later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from muster_core.errors import TargetUnavailable, TerminalError
from muster_core.security.address import (
    Allowed,
    host_fault,
    is_address,
    is_local_name,
    is_public,
    read_url,
)

#: Ports that need no entry in the allow-list, by what is spoken there.
PORTS = {
    "https": frozenset({443, 8443}),
    "sftp": frozenset({22, 2222}),
    "postgresql": frozenset({5432, 6432}),
}
CONNECT_SECONDS = 10.0

Resolve = Callable[[str, int], Sequence[str]]


class AddressRefused(TerminalError):
    """The connection leads to an address that Muster may not reach."""

    code = "address_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A host with the addresses it was found to have; only these are connected to."""

    host: str
    port: int
    addresses: tuple[str, ...]


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host`, as the system's resolver gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Lets connections out to public addresses, and to what the administrator allows."""

    allowed: tuple[Allowed, ...] = ()
    resolve: Resolve = resolve

    def check(self, host: str, port: int, *, protocol: str = "https") -> None:
        """Refuse what can be refused without asking anybody: spelling, port, names of local hosts.

        Raises:
            AddressRefused: with the reason and what an administrator can do.
        """
        host = host.lower()
        if fault := host_fault(host):
            raise AddressRefused(f"The host of the connection cannot be used: {fault}.")
        if self._names(host, port):
            return
        if is_address(host):
            self._judge(host, [host], port)
        elif is_local_name(host):
            raise self._refused(host, port, "is not a public host")
        if protocol == "http":
            raise self._refused(host, port, "is spoken to without encryption")
        covered = is_address(host) and self._covers(host, port)
        if port not in PORTS[protocol] and not covered:
            raise self._refused(host, port, f"is not reached through port {port}")

    def check_url(self, url: str) -> None:
        """Refuse an address as `check` does.

        Raises:
            AddressRefused: with the reason.
        """
        try:
            target = read_url(url)
        except ValueError as exc:
            raise AddressRefused(f"The address of the connection cannot be used: {exc}.") from None
        allowed = self._names(target.host, target.port) or (
            is_address(target.host) and self._covers(target.host, target.port)
        )
        if not allowed:
            self.check(target.host, target.port, protocol=target.scheme)

    def pin(self, host: str, port: int) -> Pinned:
        """Resolve `host` once and return its addresses, all of them judged.

        Raises:
            AddressRefused: one of them may not be reached.
            TargetUnavailable: the name has no address.
        """
        host = host.lower()
        if fault := host_fault(host):
            raise AddressRefused(f"The host of the connection cannot be used: {fault}.")
        try:
            found = [host] if is_address(host) else list(self.resolve(host, port))
        except OSError as exc:
            raise TargetUnavailable(
                f"The name {host} has no address.", hint="Check its spelling and the name server."
            ) from exc
        if not self._names(host, port):
            self._judge(host, found, port)
        return Pinned(host=host, port=port, addresses=tuple(found))

    def connect(self, host: str, port: int, *, seconds: float = CONNECT_SECONDS) -> socket.socket:
        """Return a socket connected to one of the judged addresses of `host`.

        Raises:
            AddressRefused: one of the addresses may not be reached.
            TargetUnavailable: nobody answers there.
        """
        pinned = self.pin(host, port)
        for address in pinned.addresses:
            try:
                connected = socket.create_connection((address, port), timeout=seconds)
            except OSError:
                continue
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        raise TargetUnavailable(
            f"Nothing answers at {host} port {port}.", hint="It is tried again."
        )

    def _judge(self, host: str, addresses: Sequence[str], port: int) -> None:
        if not addresses:
            raise TargetUnavailable(f"The name {host} has no address.")
        for address in addresses:
            if not is_public(ip_address(address)) and not self._covers(address, port):
                raise self._refused(host, port, "leads to an address that is not public")

    def _names(self, host: str, port: int) -> bool:
        return any(entry.covers_host(host, port) for entry in self.allowed)

    def _covers(self, address: str, port: int) -> bool:
        return any(entry.covers(ip_address(address), port) for entry in self.allowed)

    def _refused(self, host: str, port: int, why: str) -> AddressRefused:
        return AddressRefused(
            f"The host {host} {why}.",
            hint=f"An administrator can allow it: MUSTER_OUTBOUND_ALLOW={_written(host)}:{port}",
        )


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host
