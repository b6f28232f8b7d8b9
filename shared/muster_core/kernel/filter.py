"""Predicates over columns: which values pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.kernel.calendar import has_part, returns
from muster_core.kernel.column import Column
from muster_core.kernel.relation import compared, related
from muster_core.kernel.source import Bits
from muster_core.rules.predicate import (
    Anniversary,
    CalendarPart,
    FloatRanges,
    IsSet,
    Predicate,
    SameRow,
    ScaledRanges,
    SomeElement,
    TextIn,
    TextLike,
    Truth,
    WholeRanges,
)

#: From this many single values on, a sorted search beats one comparison each.
_MANY = 8
#: Up to this many distinct texts their codes are compared one by one.
_FEW = 32


def passing(predicate: Predicate, column: Column, other: Callable[[str, str], Column]) -> Bits:
    """Return which values pass; `other` gives another column of the same rows by name and type.

    A value that is not set passes exactly the negated predicates.
    """
    positive = _positive(predicate, column, other)
    return ~positive if predicate.negate else positive


def _positive(predicate: Predicate, column: Column, other: Callable[[str, str], Column]) -> Bits:
    match predicate:
        case IsSet():
            return column.valid
        case Truth():
            return column.valid & (column.truths if predicate.expected else ~column.truths)
        case WholeRanges():
            return column.valid & in_ranges(predicate.ranges, column.whole)
        case FloatRanges():
            return in_ranges(predicate.ranges, column.floats) & column.valid
        case TextIn() | TextLike():
            return _text(predicate, column) & column.valid
        case CalendarPart():
            return has_part(predicate, column) & column.valid
        case Anniversary():
            return returns(predicate, column) & column.valid
        case SomeElement():
            return column.some(_positive(predicate.of, column.elements, other))
        case SameRow():
            return related(predicate, column, other(predicate.other, predicate.other_type))
        case ScaledRanges():
            raise AssertionError("means are compared where they are computed")


def in_ranges(ranges: Any, values: NDArray[Any]) -> Bits:
    """Return which values lie in at least one range, both ends included; None is open."""
    if len(ranges) >= _MANY and values.dtype != object and all(a == b for a, b in ranges):
        found: Bits = np.isin(values, _typed([a for a, _ in ranges], values.dtype))
        return found
    passed = np.zeros(len(values), dtype=np.bool_)
    for low, high in ranges:
        if low is not None and low == high:
            passed |= compared(values, low, "eq")
            continue
        inside = np.ones(len(values), dtype=np.bool_)
        if low is not None:
            inside &= compared(values, low, "gte")
        if high is not None:
            inside &= compared(values, high, "lte")
        passed |= inside
    return passed


def _typed(values: list[Any], dtype: Any) -> NDArray[Any]:
    """Return values as an array of `dtype`, without those it cannot hold: no column has them."""
    if np.issubdtype(dtype, np.integer):
        held = np.iinfo(dtype)
        values = [v for v in values if held.min <= v <= held.max]
    return np.array(values, dtype=dtype)


def _text(predicate: TextIn | TextLike, column: Column) -> Bits:
    """Decide each distinct text once, then find the codes of those that pass."""
    distinct = column.folded if predicate.fold else column.dictionary
    if not len(distinct):
        return np.zeros(len(column), dtype=np.bool_)
    if isinstance(predicate, TextIn):
        chosen = pc.is_in(distinct, value_set=pa.array(predicate.texts, distinct.type))
    else:
        chosen = _LIKE[predicate.how](distinct, pattern=predicate.text)
    table: Bits = chosen.fill_null(False).to_numpy(zero_copy_only=False)
    return _gathered(table, column.codes)


def _gathered(table: Bits, codes: NDArray[Any]) -> Bits:
    """Return ``table[codes]``; a few comparisons are quicker than looking every code up."""
    if len(table) <= _FEW:
        passed = np.flatnonzero(table)
        negate = len(passed) > len(table) // 2
        if negate:
            passed = np.flatnonzero(~table)
        found = np.zeros(len(codes), dtype=np.bool_)
        for code in passed.astype(codes.dtype):
            found |= codes == code
        return ~found if negate else found
    return table.take(codes)


_LIKE: dict[str, Callable[..., Any]] = {
    "contains": pc.match_substring,
    "starts_with": pc.starts_with,
    "ends_with": pc.ends_with,
    "matches": pc.match_substring_regex,
}
