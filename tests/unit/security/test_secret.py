"""Credentials at rest: bound to their place, opened by every key at hand, never quoted."""

from __future__ import annotations

import stat

import pytest

from muster_core.errors import InvalidInput, TerminalError
from muster_core.security.secret import (
    KeyRing,
    SecretUnreadable,
    add_key,
    new_key,
    open_key_file,
    read_keys,
)

CANARY = "canary-5f2a"


def ring(*keys: str) -> KeyRing:
    return read_keys("\n".join(keys), source="test")


def test_what_is_sealed_opens_in_its_own_place_only() -> None:
    keys = ring(new_key())
    sealed = keys.seal(CANARY, context="connection:1:1")
    assert CANARY not in sealed
    assert keys.open(sealed, context="connection:1:1") == CANARY
    with pytest.raises(SecretUnreadable):
        keys.open(sealed, context="connection:2:1")
    with pytest.raises(SecretUnreadable):
        keys.open(sealed, context="connection:1:2")


@pytest.mark.parametrize(
    "change", [lambda s: s[:-4] + "AAA=", lambda s: s[:-1], lambda s: "x", lambda s: "m1.0.!"]
)
def test_a_changed_text_is_refused_without_quoting_it(change) -> None:
    keys = ring(new_key())
    with pytest.raises(SecretUnreadable) as caught:
        keys.open(change(keys.seal(CANARY, context="c")), context="c")
    assert CANARY not in str(caught.value)


def test_an_older_key_opens_until_everything_is_sealed_anew() -> None:
    old, new = new_key(), new_key()
    sealed = ring(old).seal(CANARY, context="c")
    both = ring(new, old)
    assert both.open(sealed, context="c") == CANARY
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(CANARY, context="c"))
    with pytest.raises(SecretUnreadable, match="not among the secret keys"):
        ring(new).open(sealed, context="c")


def test_the_key_file_is_for_its_owner_alone_and_keeps_older_keys(tmp_path) -> None:
    path = tmp_path / "home" / "secret.keys"
    first = open_key_file(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    add_key(path)
    both = open_key_file(path, create=True)
    assert list(both.keys)[1:] == list(first.keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(TerminalError, match="read by others"):
        open_key_file(path, create=True)


@pytest.mark.parametrize("written", ["", "short", "!!!", "QUJD"])
def test_a_key_that_is_none_is_refused_without_quoting_it(written) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_keys(written, source="MUSTER_SECRET_KEYS")
    assert "MUSTER_SECRET_KEYS" in str(caught.value.problems[0])
    assert not written or written not in str(caught.value.problems[0])
