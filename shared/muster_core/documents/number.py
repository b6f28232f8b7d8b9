"""Numbers exactly as they were written: whole ones are `int`, all others `Decimal`, never a float."""

from __future__ import annotations

import re
from decimal import Decimal

#: Digits a number may have on either side of its point; more is never data and only costs time.
MAX_DIGITS = 76

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
#: No number within `MAX_DIGITS` needs more characters, an exponent included.
_MAX_LENGTH = 4 * MAX_DIGITS


def read_number(text: str) -> int | Decimal:
    """Read a number from its characters; whole numbers become `int`.

    Raises:
        ValueError: `text` is no number in ASCII digits, or has more digits than any column.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    exponent = text.lower().partition("e")[2]
    if len(text) > _MAX_LENGTH or len(exponent) > len("-000"):
        raise ValueError(f"a number has at most {MAX_DIGITS} digits")
    return shorten(Decimal(text))


def shorten(number: Decimal) -> int | Decimal:
    """Return `number` as `int` if it is whole, else without trailing zeros.

    Raises:
        ValueError: it is not finite or has too many digits.
    """
    if not number.is_finite():
        raise ValueError("not a finite number")
    if number and (number.adjusted() >= MAX_DIGITS or number.adjusted() < -MAX_DIGITS):
        raise ValueError(f"a number has at most {MAX_DIGITS} digits")
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) > 2 * MAX_DIGITS:
        raise ValueError(f"a number has at most {MAX_DIGITS} digits")
    kept = list(digits)
    while exponent < 0 and len(kept) > 1 and kept[-1] == 0:
        kept.pop()
        exponent += 1
    if kept == [0]:
        return 0
    if exponent >= 0:
        whole: int = int("".join(map(str, kept))) * 10**exponent
        return -whole if sign else whole
    return Decimal((sign, tuple(kept), exponent))
