"""Customers named by hand: their ids as the canonical key texts the store knows customers by."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from muster_core.catalog.type import ColumnType, Kind
from muster_core.documents.number import read_number

_INTEGERS = range(-(2**63), 2**63)
#: No 64-bit integer is written longer, bar leading zeros that nobody needs.
_LONGEST_INTEGER = 40


def manual_key(written: str | int, kind: ColumnType) -> str:
    """Return the canonical text of an id written by hand, for a customer key of type `kind`.

    Raises:
        ValueError: no customer can have this key; the message does not quote it.
    """
    match kind.kind:
        case Kind.TEXT:
            return _text(written)
        case Kind.INTEGER:
            return _integer(written)
        case Kind.DECIMAL:
            return _decimal(written, kind)
        case Kind.DATE:
            return _date(written)
        case _:
            raise ValueError(f"the customer key has the type {kind}, which is no key")


def _text(written: str | int) -> str:
    if not isinstance(written, str):
        # 00123 without quotes has lost its zeros already
        raise ValueError("the customer key is text; write it in quotes")  # noqa: TRY004
    if not written:
        raise ValueError("an empty text is no customer key")
    return written


def _integer(written: str | int) -> str:
    if isinstance(written, str):
        digits = written.removeprefix("-")
        if not (written.isascii() and digits.isdigit()) or len(written) > _LONGEST_INTEGER:
            raise ValueError("the customer key is a whole number")
    number = int(written)
    if number not in _INTEGERS:
        raise ValueError("the customer key is a whole number of at most 64 bits")
    return str(number)


def _decimal(written: str | int, kind: ColumnType) -> str:
    wanted = f"the customer key is a number with at most {kind.scale} decimals"
    try:
        number = Decimal(read_number(str(written)))
    except ValueError:
        raise ValueError(wanted) from None
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if -exponent > kind.scale:
        raise ValueError(wanted)
    if len(digits) + exponent > kind.precision - kind.scale and number:
        raise ValueError(f"the customer key is a {kind}; this number is too large")
    return f"{number or Decimal(0):.{kind.scale}f}"


def _date(written: str | int) -> str:
    wanted = "the customer key is a date such as 2026-03-01"
    if not isinstance(written, str):
        raise ValueError(wanted)  # noqa: TRY004
    try:
        return date.fromisoformat(written).isoformat()
    except ValueError:
        raise ValueError(wanted) from None
