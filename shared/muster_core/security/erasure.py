"""Customers who were erased, known again without their keys: by a keyed hash, under a key that is sealed.

The hash needs a secret of its own: whoever has the database alone cannot try out keys. It is sealed like
credentials are, so it outlives a change of the secret keys.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import xxhash

from muster_core.lake.seed import PARTITION_SEED
from muster_core.security.secret import KeyRing

_PEPPER = "erasure:pepper"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedCustomer:
    """One customer who was erased; the key cannot be read from it."""

    id: int
    digest: bytes
    #: The hash that decides the partition of the store.
    place: int = field(repr=False)
    pepper: bytes = field(repr=False)

    def is_key(self, key: str) -> bool:
        """Whether `key`, a canonical key text, is this customer's."""
        return hmac.compare_digest(self.digest, keyed_digest(self.pepper, key))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedErasure:
    """A customer who was erased, as the control database has it."""

    id: int
    digest: bytes
    place: str = field(repr=False)
    pepper: str = field(repr=False)


def open_erased(
    sealed: Sequence[SealedErasure], keys: Callable[[], KeyRing]
) -> list[ErasedCustomer]:
    """Return the customers who were erased, to be known again; `keys` is only asked where there are any.

    Raises:
        SecretUnreadable: a key that sealed them is not at hand; nothing may be sent or shown then.
    """
    if not sealed:
        return []
    ring = keys()
    peppers = {found: open_pepper(found, ring) for found in {e.pepper for e in sealed}}
    return [
        ErasedCustomer(
            id=e.id,
            digest=e.digest,
            place=open_place(e.place, ring, e.digest),
            pepper=peppers[e.pepper],
        )
        for e in sealed
    ]


def new_pepper(keys: KeyRing) -> str:
    """Return a new random key of the keyed hash, sealed."""
    return keys.seal(base64.b64encode(secrets.token_bytes(32)).decode(), context=_PEPPER)


def open_pepper(sealed: str, keys: KeyRing) -> bytes:
    """Return the key of the keyed hash.

    Raises:
        SecretUnreadable: the key that sealed it is not at hand.
    """
    return base64.b64decode(keys.open(sealed, context=_PEPPER))


def reseal_pepper(sealed: str, keys: KeyRing) -> str:
    """Return the key of the keyed hash, sealed anew under the newest key."""
    return keys.seal(keys.open(sealed, context=_PEPPER), context=_PEPPER)


def keyed_digest(pepper: bytes, key: str) -> bytes:
    """Return the keyed hash of a canonical key text."""
    return hmac.digest(pepper, key.encode(), hashlib.sha256)


def place_of(key: str) -> int:
    """Return the hash that decides the partition of a canonical key text."""
    return xxhash.xxh64_intdigest(key.encode(), seed=PARTITION_SEED)


def seal_customer(keys: KeyRing, digest: bytes, key: str) -> tuple[str, str]:
    """Return the place and the key of a customer, sealed: the second only until every destination knows."""
    name = digest.hex()
    return (
        keys.seal(str(place_of(key)), context=f"erasure:place:{name}"),
        keys.seal(key, context=f"erasure:key:{name}"),
    )


def open_place(sealed: str, keys: KeyRing, digest: bytes) -> int:
    """Return a sealed place.

    Raises:
        SecretUnreadable: the key that sealed it is not at hand.
    """
    return int(keys.open(sealed, context=f"erasure:place:{digest.hex()}"))


def open_key(sealed: str, keys: KeyRing, digest: bytes) -> str:
    """Return a sealed customer key.

    Raises:
        SecretUnreadable: the key that sealed it is not at hand.
    """
    return keys.open(sealed, context=f"erasure:key:{digest.hex()}")


def reseal_customer(
    keys: KeyRing, digest: bytes, place: str, key: str | None
) -> tuple[str, str | None]:
    """Return a sealed place and key, sealed anew under the newest key."""
    name = digest.hex()
    place_context, key_context = f"erasure:place:{name}", f"erasure:key:{name}"
    return (
        keys.seal(keys.open(place, context=place_context), context=place_context),
        None
        if key is None
        else keys.seal(keys.open(key, context=key_context), context=key_context),
    )
