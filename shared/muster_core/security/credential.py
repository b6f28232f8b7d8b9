"""API tokens and passwords: what is stored can be checked, and not used.

A token is 256 random bits, so one SHA-256 of it is as good as unguessable. A password is not, so Argon2id
makes every guess dear.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from muster_core.errors import InvalidInput, Problem

TOKEN_PREFIX = "muster_"  # noqa: S105  what every token begins with is no secret
_TOKEN_BYTES = 32
#: The shortest and the longest password: short ones are guessed, long ones only cost time.
_PASSWORD_LENGTHS = (12, 256)
_HASHER = PasswordHasher()
#: Each one takes 64 MiB for a moment: whoever asks many at once waits, and memory stays what it is.
_AT_ONCE = threading.BoundedSemaphore(4)


def new_token() -> str:
    """Return a new token, shown once to whoever asked for it and never stored."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> bytes:
    """Return the SHA-256 under which a token is looked up (32 bytes)."""
    return hashlib.sha256(token.encode()).digest()


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its salt and costs.

    Raises:
        InvalidInput: it is too short or too long.
    """
    least, most = _PASSWORD_LENGTHS
    if not least <= len(password) <= most:
        raise InvalidInput(
            [Problem(message="the password cannot be used", hint=f"{least} to {most} characters")]
        )
    with _AT_ONCE:
        return _HASHER.hash(_as_bytes(password))


def password_fits(password: str, stored: str | None) -> bool:
    """Tell whether `password` is the one behind `stored`.

    Where nothing is stored the same work is done and the answer is no, so that time tells nobody which
    names exist.
    """
    try:
        with _AT_ONCE:
            found = _HASHER.verify(stored or _nobodys(), _as_bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return found and stored is not None


def _as_bytes(password: str) -> bytes:
    # whatever somebody types has bytes, half a character as well
    return password.encode(errors="surrogatepass")


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe(_TOKEN_BYTES))
