"""Reference: aggregates over the values of a customer's rows, oldest first.

Written from the rules alone; shares no code with the product.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import isnan
from typing import Any

from tests.conformance.reference_value import is_set


def aggregated(function: str, values: list[Any]) -> Any:
    """Return the aggregate, None where it has no value; a sum over no values is 0."""
    present = [value for value in values if is_set(value)]
    match function:
        case "exists":
            return bool(values)
        case "count":
            return len(values)
        case "count_distinct":
            return len(set(present))
        case "first" | "last":
            # the value in the earliest or latest row; if that is not set, there is none
            chosen = values[:1] if function == "first" else values[-1:]
            return chosen[0] if chosen and is_set(chosen[0]) else None
        case "sum":
            return _sum(present) if present else 0
        case "avg":
            return _mean(present) if present else None
        case "min" | "max":
            best = min if function == "min" else max
            return best(present, key=exact) if present else None
    raise AssertionError(function)


def _sum(values: list[Any]) -> Any:
    """Add exactly; doubles are added newest first, as the store has them."""
    if isinstance(values[0], float):
        total = 0.0
        for value in reversed(values):
            total += value
        return None if isnan(total) else total
    return sum(map(Fraction, values), Fraction(0))


def _mean(values: list[Any]) -> Any:
    total = _sum(values)
    return None if total is None else total / len(values)


def exact(value: Any) -> Any:
    """Return a value in terms that order exactly."""
    return value if isinstance(value, float | date | str | bool) else Fraction(value)
