"""From the many Arrow types a source may have to the few the store has, exactly or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.type import ColumnType, Kind

_SIMPLE = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
}

#: Microseconds in one step of each finer or coarser unit, as (multiply, divide).
_STEPS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}

#: Decimal digits of the largest decimal the store keeps.
MAX_PRECISION = 38


def column_type(arrow: Any) -> ColumnType | None:
    """Return the catalog type of a source column, None where the store has none for it."""
    if pa.types.is_dictionary(arrow):
        return column_type(arrow.value_type)
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or arrow == pa.string_view():
        return ColumnType(kind=Kind.TEXT)
    if pa.types.is_integer(arrow):
        return ColumnType(kind=Kind.INTEGER)
    if pa.types.is_floating(arrow):
        return ColumnType(kind=Kind.FLOAT)
    if pa.types.is_boolean(arrow):
        return ColumnType(kind=Kind.BOOLEAN)
    if pa.types.is_date(arrow):
        return ColumnType(kind=Kind.DATE)
    if pa.types.is_timestamp(arrow):
        return ColumnType(kind=Kind.TIMESTAMP)
    if pa.types.is_decimal(arrow):
        return _decimal_type(arrow)
    if (
        pa.types.is_list(arrow)
        or pa.types.is_large_list(arrow)
        or pa.types.is_fixed_size_list(arrow)
    ):
        element = column_type(arrow.value_type)
        if element is None or element.kind is Kind.ARRAY:
            return None
        return ColumnType(kind=Kind.ARRAY, element=element)
    return None


def _decimal_type(arrow: Any) -> ColumnType | None:
    if arrow.precision > MAX_PRECISION or arrow.scale < 0:
        return None
    return ColumnType(kind=Kind.DECIMAL, precision=arrow.precision, scale=arrow.scale)


def wider_type(left: ColumnType, right: ColumnType) -> ColumnType | None:
    """Return the type that holds values of both exactly, None where none does."""
    if left == right:
        return left
    if left.kind is Kind.DECIMAL and right.kind is Kind.DECIMAL:
        scale = max(left.scale, right.scale)
        whole = max(left.precision - left.scale, right.precision - right.scale)
        if whole + scale <= MAX_PRECISION:
            return ColumnType(kind=Kind.DECIMAL, precision=whole + scale, scale=scale)
    return None


def arrow_type(kind: ColumnType) -> Any:
    """Return how the store holds a catalog type."""
    if kind.kind is Kind.DECIMAL:
        return pa.decimal128(kind.precision, kind.scale)
    if kind.kind is Kind.ARRAY:
        assert kind.element is not None
        return pa.list_(arrow_type(kind.element))
    return _SIMPLE[kind.kind]


def convert(array: Any, kind: ColumnType, zone: str) -> Any:
    """Return an Arrow array of the store's type; timestamps without zone are read in `zone`.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit (an unsigned integer beyond int64, a time out of range).
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind.kind is Kind.TIMESTAMP:
        return _to_instant(array, zone)
    if kind.kind is Kind.ARRAY:
        assert kind.element is not None
        plain = array.cast(pa.list_(array.type.value_type))
        if (
            plain.offset
        ):  # a slice keeps its parent's offsets, which from_arrays does not take with a mask
            plain = pa.concat_arrays([plain, plain[:0]])
        values = convert(plain.values, kind.element, zone)
        return pa.ListArray.from_arrays(
            plain.offsets, values, mask=plain.is_null() if plain.null_count else None
        )
    return array.cast(arrow_type(kind))


def _to_instant(array: Any, zone: str) -> Any:
    """Floor to microseconds, then place zone-less times in `zone`."""
    micros = _floor_to_micros(array)
    if array.type.tz is not None or zone == "UTC":
        return micros.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    return _assume_zone(micros.cast(pa.timestamp("us")), zone)


def _floor_to_micros(array: Any) -> Any:
    multiply, divide = _STEPS[array.type.unit]
    whole = array.cast(pa.int64())
    if multiply > 1:
        return pc.multiply_checked(whole, multiply)
    if divide == 1:
        return whole
    values = np.floor_divide(whole.fill_null(0).to_numpy(zero_copy_only=False), divide)
    return pa.array(values, mask=whole.is_null().to_numpy(zero_copy_only=False))


def _assume_zone(local: Any, zone: str) -> Any:
    """Read local times in `zone`: a repeated time is the first, a skipped one moves on by the gap."""
    placed = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")
    skipped = pc.fill_null(pc.not_equal(pc.local_timestamp(placed), local), False)
    if pc.any(skipped).as_py():
        # "latest" gives the instant the clocks changed; one tick before it the local clock showed the
        # beginning of the gap, and the time is as far beyond the change as it was beyond that.
        before = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="earliest")
        opening = pc.add(pc.local_timestamp(before).cast(pa.int64()), 1)
        beyond = pc.subtract(local.cast(pa.int64()), opening)
        moved = pc.add(placed.cast(pa.int64()), beyond).cast(placed.type)
        placed = pc.if_else(skipped, moved, placed)
    return placed.cast(pa.timestamp("us", "UTC"))
