"""What a connection may name and where it may lead: the hostile list, and a name that changes its address."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from muster_core.errors import TerminalError
from muster_core.security.address import read_allowed, url_fault
from muster_core.security.outbound import AddressRefused, Guard

PUBLIC = "93.184.216.34"


def answering(*addresses: str) -> Guard:
    return Guard(resolve=lambda host, port: list(addresses))


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:6379/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fd00:ec2::254]/",
        "http://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[::7f00:1]/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://0/",
        "https://user:pass@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1#@example.com/",
        "https://example.com\\@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "unix:///var/run/docker.sock",
        "https://example.com:22/",
        "https://exa\r\nHost: evil/",
        "https://ex\u0430mple.com/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://metadata.google.internal/",
        f"https://example.com/{'a' * 8193}",
        "https:///path",
        "https://example.com:0/",
        "https://example.com:65536/",
        "http://example.com/",
    ],
)
def test_hostile_addresses_are_refused_before_anybody_is_asked(url) -> None:
    def nobody(host: str, port: int) -> Sequence[str]:
        raise AssertionError("a name was resolved")

    with pytest.raises(AddressRefused):
        Guard(resolve=nobody).check_url(url)


def test_a_public_address_is_fine() -> None:
    Guard().check_url("https://hooks.example.com/x?y=1")
    Guard().check_url("https://hooks.example.com:8443/")
    assert url_fault("https://xn--e1awd7f.example/") is None


@pytest.mark.parametrize("found", [["10.0.0.5"], [PUBLIC, "10.0.0.5"], ["::1"], ["fe80::1"]])
def test_a_name_is_refused_when_one_of_its_addresses_is_private(found) -> None:
    with pytest.raises(AddressRefused, match="not public"):
        answering(*found).pin("hooks.example.com", 443)


def test_a_name_that_turns_private_after_it_was_judged_is_never_asked_again() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    guard = Guard(resolve=rebinding)
    assert guard.pin("evil.example.com", 443).addresses == (PUBLIC,)
    assert len(asked) == 1
    with pytest.raises(AddressRefused):
        guard.connect("evil.example.com", 443)


def test_what_the_administrator_names_is_let_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        guard = Guard(allowed=read_allowed(f"127.0.0.1:{port}, minio.corp, [fd00::1]:9000"))
        guard.check_url(f"http://127.0.0.1:{port}/hook")
        guard.check_url("http://minio.corp:9000/")
        guard.check_url("http://[fd00::1]:9000/")
        guard.connect("127.0.0.1", port).close()
        with pytest.raises(AddressRefused):
            guard.check_url(f"http://127.0.0.1:{port + 1}/hook")


@pytest.mark.parametrize("written", ["10.0.0.0/99", "a b", "host:99999", "host:x"])
def test_an_allow_list_that_means_nothing_is_refused(written) -> None:
    with pytest.raises(ValueError, match="`"):
        read_allowed(written)


def test_what_is_refused_cannot_succeed_by_trying_again() -> None:
    assert issubclass(AddressRefused, TerminalError)
