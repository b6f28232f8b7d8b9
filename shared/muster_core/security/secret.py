"""Credentials at rest: sealed with AES-256-GCM under a key that is not in the database.

A sealed text names its key, so several keys can be in use while everything is sealed anew under the newest.
The context (which row, which revision) is authenticated, so a text copied to another row cannot be opened.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from muster_core.errors import InvalidInput, Problem, TerminalError

_SCHEME = "m1"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class SecretUnreadable(TerminalError):
    """A stored credential cannot be opened with the keys at hand."""

    code = "secret_unreadable"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyRing:
    """The keys that credentials are sealed with; the first one seals, all of them open."""

    keys: Mapping[str, bytes]

    @property
    def current(self) -> str:
        """Return the id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, plain: str, *, context: str) -> str:
        """Return `plain` sealed for `context`; nothing else opens it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, plain.encode(), context.encode())
        return f"{_SCHEME}.{self.current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """Return what was sealed for `context`.

        Raises:
            SecretUnreadable: the key is not at hand, or the text is not the one sealed for this place.
        """
        scheme, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        key = self.keys.get(key_id)
        if scheme != _SCHEME or key is None:
            raise SecretUnreadable(
                f"The key {key_id or '(none)'} of a stored credential is not among the secret keys.",
                hint="Put it back into MUSTER_SECRET_KEYS or the file secret.keys, or set the"
                " credentials again with `muster connection rotate`.",
            )
        try:
            data = base64.b64decode(body, validate=True)
            opened = AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode())
        except (InvalidTag, binascii.Error, ValueError):
            # the cause could quote what was sealed
            raise SecretUnreadable(
                "A stored credential is not the one that was sealed for this connection.",
                hint="Set the credentials again with `muster connection rotate`.",
            ) from None
        return opened.decode()

    def is_current(self, sealed: str) -> bool:
        """Whether the newest key sealed this text."""
        return sealed.startswith(f"{_SCHEME}.{self.current}.")


def new_key() -> str:
    """Return a new random key as it is written in settings and key files."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def read_keys(written: str, *, source: str) -> KeyRing:
    """Read keys, one a line or separated by commas, the newest first.

    Args:
        written: the keys in base64.
        source: where they stand, for error messages; the keys themselves are never quoted.

    Raises:
        InvalidInput: one of them is no key of 32 bytes, or there is none.
    """
    keys: dict[str, bytes] = {}
    for number, word in enumerate(written.replace(",", "\n").split(), start=1):
        try:
            key = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _KEY_BYTES:
            raise InvalidInput(
                [Problem(message=f"{source}: key {number} is not 32 bytes in base64")],
                "A secret key cannot be used",
            )
        keys[hashlib.sha256(key).hexdigest()[:8]] = key
    if not keys:
        raise InvalidInput([Problem(message=f"{source}: there is no key")], "No secret key is set")
    return KeyRing(keys=keys)


def open_key_file(path: Path, *, create: bool) -> KeyRing:
    """Read the key file at `path`, made with a new key where `create` allows it.

    Raises:
        TerminalError: it is missing, or others than its owner can read it.
        InvalidInput: it holds no usable key.
    """
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        add_key(path)
    try:
        mode = path.stat().st_mode
        written = path.read_text()
    except OSError as exc:
        raise TerminalError(
            f"The key file {path} cannot be read.",
            hint="It is made with the first connection that has credentials; or set MUSTER_SECRET_KEYS.",
        ) from exc
    if mode & 0o077:
        raise TerminalError(f"The key file {path} can be read by others.", hint=f"chmod 600 {path}")
    return read_keys(written, source=str(path))


def add_key(path: Path) -> None:
    """Put a new key before those in the key file; what is there stays until everything is sealed anew."""
    before = path.read_text() if path.exists() else ""
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{new_key()}\n{before}")
        file.flush()
        os.fsync(file.fileno())
    if before:
        staged.replace(path)
        return
    try:
        # a link never replaces: of two that make the first key, one wins and both read the same
        os.link(staged, path)
    except FileExistsError:
        return
    finally:
        staged.unlink()
