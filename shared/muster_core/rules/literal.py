"""Literals converted to a column's type, in the terms of `predicate`; every refusal says what would do."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

from muster_core.catalog.type import ColumnType, Kind
from muster_core.documents.number import read_number
from muster_core.rules.instant import from_local, start_of_day, to_days, to_micros
from muster_core.rules.limit import DEFAULT_LIMITS, Limits
from muster_core.rules.value import Scalar

#: Wide enough for any number `value` lets in, moved by any scale.
_CONTEXT = Context(prec=400)

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,12}))?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What relative times and local dates are resolved against."""

    as_of: datetime
    zone: ZoneInfo
    limits: Limits = DEFAULT_LIMITS


def read_text(value: Scalar, limits: Limits) -> str:
    """Return a text literal.

    Raises:
        ValueError: it is no text, empty, or too long.
    """
    if not isinstance(value, str):
        raise ValueError("the column is text: write the value in quotes")  # noqa: TRY004
    if not value:
        raise ValueError("an empty text counts as not set: say is_not_set")
    if len(value) > limits.text:
        raise ValueError(f"a text has at most {limits.text} characters")
    return value


def read_exact(value: Scalar) -> int | Decimal:
    """Return a number exactly as written; a text of ASCII digits is a number too.

    Raises:
        ValueError: it is no number.
    """
    if isinstance(value, str):
        try:
            return read_number(value)
        except ValueError as exc:
            raise ValueError(f"the column is a number: {exc}") from None
    if isinstance(value, bool):
        raise ValueError("the column is a number, not true or false")  # noqa: TRY004
    return value


def read_double(value: Scalar) -> float:
    """Return a number as the nearest double.

    Raises:
        ValueError: it is no number.
    """
    found = float(read_exact(value))
    if not math.isfinite(found):
        raise ValueError("the number is larger than any double")
    return found + 0.0


def read_flag(value: Scalar) -> bool:
    """Return a boolean literal.

    Raises:
        ValueError: it is not true or false.
    """
    if not isinstance(value, bool):
        raise ValueError("the column is a boolean: write true or false")  # noqa: TRY004
    return value


def read_date(value: Scalar, limits: Limits) -> date:
    """Return a date literal ``YYYY-MM-DD``.

    Raises:
        ValueError: it is no such date or outside the years allowed.
    """
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a date: write it as YYYY-MM-DD")
    try:
        found = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise ValueError(f"there is no date {value}") from None
    if not limits.first_year <= found.year <= limits.last_year:
        raise ValueError(f"dates are from {limits.first_year} to {limits.last_year}")
    return found


def is_date(value: Scalar) -> bool:
    """Whether a literal has the form of a date alone."""
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def read_instant(value: Scalar, frame: Frame) -> int:
    """Return an ISO 8601 timestamp literal in microseconds; without an offset, in the frame's zone.

    Raises:
        ValueError: it is no timestamp or outside the years allowed.
    """
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            "not a date or timestamp: write 2026-03-01 or 2026-03-01T14:30:00, with Z or an offset"
        )
    day = read_date(match[1], frame.limits)
    hour, minute, second = int(match[2]), int(match[3]), int(match[4] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"there is no time {match[2]}:{match[3]}:{match[4] or '00'}")
    micros = int((match[5] or "0")[:6].ljust(6, "0"))
    local = datetime(day.year, day.month, day.day, hour, minute, second, micros)
    if match[6] is None:
        return to_micros(from_local(local, frame.zone))
    return to_micros(datetime.fromisoformat(f"{local.isoformat()}{_offset(match[6])}"))


def _offset(text: str) -> str:
    if text == "Z":
        return "+00:00"
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"there is no offset {text}")
    return f"{text[0]}{hours:02}:{minutes:02}"


def day_range(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first and last microsecond of a local calendar day."""
    begin = to_micros(start_of_day(day, zone))
    return begin, to_micros(start_of_day(day + timedelta(days=1), zone)) - 1


Whole = tuple[int | None, int | None]


def whole_span(value: Scalar, kind: ColumnType, frame: Frame) -> tuple[int, int]:
    """Return the least and greatest whole number equal to a literal; least > greatest if none is.

    So ``10.105`` against two decimals is (1011, 1010): nothing equals it, what is below ends at 1010 and
    what is above starts at 1011. A date against a timestamp is its whole local day.

    Raises:
        ValueError: the literal does not fit the type.
    """
    if kind.kind in (Kind.INTEGER, Kind.DECIMAL):
        exact = read_exact(value)
        scaled = Decimal(exact).scaleb(kind.scale, _CONTEXT) if kind.scale else Decimal(exact)
        return math.ceil(scaled), math.floor(scaled)
    if kind.kind is Kind.DATE:
        days = to_days(read_date(value, frame.limits))
        return days, days
    if is_date(value):
        return day_range(read_date(value, frame.limits), frame.zone)
    micros = read_instant(value, frame)
    return micros, micros
