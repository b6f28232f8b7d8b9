"""Reference: one value held against a comparison, two-valued and exact.

Written from the rules alone; shares no code with the product.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import isnan
from operator import eq, ge, gt, le, lt
from typing import Any

from tests.conformance.reference_time import Clock, is_date

#: Negative comparisons are the exact complement of these.
_COMPLEMENTS = {
    "ne": "eq",
    "is_not_set": "is_set",
    "not_in": "in",
    "not_between": "between",
    "not_contains": "contains",
    "not_starts_with": "starts_with",
    "not_ends_with": "ends_with",
    "not_matches": "matches",
    "not_contains_item": "contains_item",
    "not_in_window": "in_window",
}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
}
_PARTS: dict[str, Callable[[date], int]] = {
    "day_of": lambda day: day.day,
    "month_of": lambda day: day.month,
    "year_of": lambda day: day.year,
    "weekday_of": lambda day: day.isoweekday(),
}


def is_set(value: Any) -> bool:
    """Missing, empty text, NaN, and an array without a set element count as not set."""
    if isinstance(value, list):
        return any(is_set(item) for item in value)
    return value is not None and value != "" and not (isinstance(value, float) and isnan(value))


def passes(clock: Clock, value: Any, compare: str, wanted: Any, *, fold: bool = False) -> bool:
    """Whether a value, possibly missing, passes a comparison with a literal or another value."""
    if compare in _COMPLEMENTS:
        return not passes(clock, value, _COMPLEMENTS[compare], wanted, fold=fold)
    if not is_set(value):
        return False
    if compare == "is_set":
        return True
    if isinstance(value, list):
        test = "eq" if compare == "contains_item" else compare
        elements = [item for item in value if is_set(item)]
        return any(_set_passes(clock, item, test, wanted, fold) for item in elements)
    return _set_passes(clock, value, compare, wanted, fold)


def _set_passes(clock: Clock, value: Any, compare: str, wanted: Any, fold: bool) -> bool:
    match compare:
        case "is_true" | "is_false":
            return bool(value is (compare == "is_true"))
        case "in":
            return any(_set_passes(clock, value, "eq", item, fold) for item in wanted)
        case "between":
            low, high = wanted
            return _set_passes(clock, value, "gte", low, fold) and _set_passes(
                clock, value, "lte", high, fold
            )
        case "in_window":
            return clock.holds(wanted, value)
        case "anniversary_in_window":
            return clock.anniversary_holds(wanted, value)
        case "day_of" | "month_of" | "year_of" | "weekday_of":
            numbers = wanted if isinstance(wanted, list | tuple) else [wanted]
            return _PARTS[compare](clock.day(value)) in [int(number) for number in numbers]
        case "matches":
            return re.search(wanted, value) is not None
        case "contains" | "starts_with" | "ends_with":
            text, part = (value.casefold(), wanted.casefold()) if fold else (value, wanted)
            tests = {"contains": text.find(part) >= 0}
            tests |= {"starts_with": text.startswith(part), "ends_with": text.endswith(part)}
            return bool(tests[compare])
    left, right = _terms(clock, value, wanted, fold)
    return bool(_ORDERS[compare](left, right))


def _terms(clock: Clock, value: Any, wanted: Any, fold: bool) -> tuple[Any, Any]:
    """Bring a value and what it is compared with to terms that Python compares as the rules say."""
    if isinstance(value, bool):
        return value, wanted
    if isinstance(value, date):
        return _times(clock, value, wanted)
    if isinstance(value, str):
        return (value.casefold(), wanted.casefold()) if fold else (value, wanted)
    if isinstance(value, float) or isinstance(wanted, float):
        return float(value), float(_number(wanted))
    return Fraction(value), Fraction(_number(wanted))


def _times(clock: Clock, value: date, wanted: Any) -> tuple[Any, Any]:
    if is_date(wanted):
        return clock.day(value), date.fromisoformat(wanted)
    if isinstance(wanted, str):
        return clock.moment(value), clock.read(wanted)
    if isinstance(value, datetime) and isinstance(wanted, datetime):
        return value, wanted
    return clock.day(value), clock.day(wanted)


def _number(wanted: Any) -> Any:
    """Return a number; text in a document is one where a number is needed."""
    return Decimal(wanted) if isinstance(wanted, str) else wanted


def literal(written: Any) -> Any:
    """Return a document's value with its numbers exact: decimals are read from the characters as written.

    So a float met in a comparison is always one of a floating-point column.
    """
    if isinstance(written, list | tuple):
        return [literal(item) for item in written]
    return Decimal(str(written)) if isinstance(written, float) else written


def number(written: Any) -> Any:
    """Return a literal that has to be a number, however it is spelled."""
    return Fraction(Decimal(str(written)))
