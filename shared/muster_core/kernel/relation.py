"""Two columns of the same row against each other, brought to terms in which they compare exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import Kind
from muster_core.kernel.column import Column
from muster_core.kernel.source import Bits
from muster_core.kernel.zone import zone_table
from muster_core.rules.predicate import SameRow

_INT64 = np.iinfo(np.int64)
#: Doubles hold whole numbers and powers of ten exactly up to here, so that their quotient is the nearest.
_EXACT_WHOLE = 2**53
_EXACT_POWER = 22

_MIRRORED = {"eq": "eq", "gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"}


def related(predicate: SameRow, left: Column, right: Column) -> Bits:
    """Return where both values are set and stand in the relation of `predicate`."""
    both = left.valid & right.valid
    kinds = {left.kind.kind, right.kind.kind}
    if Kind.TEXT in kinds:
        one, two = (_texts(c, predicate.fold) for c in (left, right))
        equal: Bits = pc.equal(one, two).fill_null(False).to_numpy(zero_copy_only=False)
        return equal & both
    if Kind.BOOLEAN in kinds:
        return both & ~(left.truths ^ right.truths)
    if Kind.FLOAT in kinds:
        return compared(_doubles(left), _doubles(right), predicate.relation) & both
    if kinds == {Kind.DATE, Kind.TIMESTAMP}:
        if left.kind.kind is Kind.DATE:
            return _dated(left, right, predicate.relation, predicate.zone) & both
        return _dated(right, left, _MIRRORED[predicate.relation], predicate.zone) & both
    scale = max(left.kind.scale, right.kind.scale)
    one, two = (_rescaled(c.whole, scale - c.kind.scale) for c in (left, right))
    return compared(one, two, predicate.relation) & both


def compared(left: NDArray[Any], right: Any, relation: str) -> Bits:
    """Compare element by element; NumPy and Python integers of any size compare exactly."""
    match relation:
        case "eq":
            found = left == right
        case "gt":
            found = left > right
        case "gte":
            found = left >= right
        case "lt":
            found = left < right
        case _:
            found = left <= right
    return np.asarray(found, dtype=np.bool_)


def largest(values: NDArray[Any]) -> int:
    """Return the largest absolute value as a Python integer."""
    return max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0


def _texts(column: Column, fold: bool) -> Any:
    return column.folded_texts if fold else column.texts


def _rescaled(values: NDArray[Any], digits: int) -> NDArray[Any]:
    """Return values times a power of ten, as Python integers only where int64 could overflow."""
    if digits == 0 or not len(values):
        return values
    factor = 10**digits
    if values.dtype != object and largest(values) * factor <= _INT64.max:
        scaled: NDArray[Any] = values * factor
    else:
        scaled = values.astype(object) * factor
    return scaled


def _doubles(column: Column) -> NDArray[np.float64]:
    """Return numbers as the nearest doubles, as a literal against a floating-point column becomes one."""
    if column.kind.kind is Kind.FLOAT:
        return column.floats
    whole, scale = column.whole, column.kind.scale
    if whole.dtype != object and scale <= _EXACT_POWER and largest(whole) <= _EXACT_WHOLE:
        nearest: NDArray[np.float64] = whole.astype(np.float64) / 10.0**scale
        return nearest
    # Python divides integers of any size to the nearest double.
    return np.array([value / 10**scale for value in whole.tolist()], dtype=np.float64)


def _dated(dates: Column, instants: Column, relation: str, zone: str) -> Bits:
    """Return where the date stands in `relation` to the local date of the instant."""
    return compared(dates.whole, zone_table(zone).days(instants.whole), relation)
