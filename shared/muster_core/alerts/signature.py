"""Signatures of the Standard Webhooks specification, which receivers check with ready-made libraries."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """Return the key in a secret written as ``whsec_`` and base64.

    Raises:
        ValueError: it is not one; the message does not quote it.
    """
    try:
        if not secret.startswith(_PREFIX):
            raise ValueError
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        if len(key) < 16:
            raise ValueError
    except (ValueError, binascii.Error):
        raise ValueError(
            "must be `whsec_` and base64 of 16 bytes or more: echo whsec_$(openssl rand -base64 32)"
        ) from None
    return key


def signed_headers(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sent `body`, when, and that it is the message `message_id`."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{digest}",
    }
