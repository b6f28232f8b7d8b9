"""What people type into fields, as values of a document, and back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from muster_core.catalog.type import ColumnType, Kind
from muster_core.documents.number import read_number

_DURATION = re.compile(r"([0-9]{1,12}) +(second|minute|hour|day|week|month|quarter|year)s?")
#: How many values a typed list may bring at once.
MOST_TYPED = 10_000


def value_of(text: str, kind: ColumnType | None) -> Any:
    """Return what a text typed for a column of a type means: a number as written, truth, or the text.

    A number that is none stays a text, so that nothing typed is lost and the check says what is wrong.
    """
    element = kind.element if kind is not None and kind.element is not None else kind
    if element is None or not (element.is_number or element.kind is Kind.BOOLEAN):
        return text
    typed = text.strip()
    if element.kind is Kind.BOOLEAN:
        return {"true": True, "false": False}.get(typed.casefold(), text)
    try:
        return read_number(typed)
    except ValueError:
        return text


def text_of(value: Any) -> str:
    """Return a value as it is typed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def values_of(text: str, kind: ColumnType | None) -> list[Any]:
    """Return the values of a typed or pasted list: one a line, or separated by commas or semicolons."""
    parts = [part.strip() for part in re.split(r"[\n;,]", text)]
    return [value_of(part, kind) for part in dict.fromkeys(parts) if part][:MOST_TYPED]


def duration_parts(text: str) -> tuple[int, str]:
    """Return number and unit of a duration such as ``30 days``."""
    match = _DURATION.fullmatch(text)
    return (int(match[1]), match[2]) if match else (1, "day")


def duration_of(number: int, unit: str) -> str:
    """Return a duration of at least 1."""
    whole = max(1, number)
    return f"{whole} {unit}{'' if whole == 1 else 's'}"


def fitted_value(compare: str, value: Any, kind: ColumnType | None) -> Any:
    """Return the value a comparison starts with, as much of the last one's as fits; None: it takes none."""
    if compare in ("is_set", "is_not_set", "is_true", "is_false"):
        return None
    if compare in ("in_window", "not_in_window", "anniversary_in_window"):
        return value if _is_window(value) else {"last": "30 days"}
    several = isinstance(value, list)
    plain = [] if value is None or isinstance(value, dict) else value if several else [value]
    # nothing typed yet is no value of a list
    plain = [v for v in plain if v != ""]
    if compare in ("weekday_of", "month_of", "day_of", "year_of"):
        whole = [v for v in plain if isinstance(v, int) and not isinstance(v, bool)]
        first = {"year_of": 2026}.get(compare, 1)
        return whole or [first]
    if compare in ("in", "not_in"):
        return plain
    if compare in ("between", "not_between"):
        return (plain * 2)[:2] if len(plain) == 1 else plain[:2] or [_zero(kind)] * 2
    if isinstance(value, dict) and not _is_window(value):
        return value
    return plain[0] if plain else _zero(kind)


def _zero(kind: ColumnType | None) -> Any:
    if kind is None:
        return ""
    if kind.is_number:
        return 0
    return True if kind.kind is Kind.BOOLEAN else ""


def _is_window(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return not ({"column", "ago", "ahead"} & value.keys())
