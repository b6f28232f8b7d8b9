"""The forms that values of a column may be delivered in, as documents name them."""

from __future__ import annotations

from enum import StrEnum


class Normal(StrEnum):
    """The form that text is brought into."""

    #: Without spaces at its ends, in small letters.
    TEXT = "text"
    #: The same without any space inside; what has no @ is missing.
    EMAIL = "email"
    #: E.164: + and digits; what names no country is missing.
    PHONE = "phone"
    #: The digits alone.
    DIGITS = "digits"


class Hash(StrEnum):
    """How a value is hashed."""

    #: SHA-256 of the UTF-8 bytes, in small hexadecimal digits.
    SHA256 = "sha256"
