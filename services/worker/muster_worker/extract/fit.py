"""From what the driver delivers to exactly the types of the part files, or a refusal that names the column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muster_core.errors import SourceUnreadable
from muster_core.extract.type import SourceColumn

#: PostgreSQL's first day (4713 BC), in days and microseconds since 1970. The driver adds 30 years to
#: infinite times and to those beyond the year 294246 until they wrap around below it.
_FIRST_DAY = -2_440_588
_FIRST_MICROSECOND = _FIRST_DAY * 86_400_000_000
_UNSET = ("nan", "inf", "-inf")

#: A column the statement adds: whether an array of the row has more than one dimension.
NESTED = "muster nested"


def nested_expression(columns: Sequence[SourceColumn]) -> str:
    """Return the expression of the column `NESTED`; empty where there are no arrays."""
    tests = [
        f"coalesce(array_ndims({c.expression}) > 1, false)"
        for c in columns
        if pa.types.is_list(c.arrow)
    ]
    return f'({" OR ".join(tests)}) AS "{NESTED}"' if tests else ""


def part_schema(columns: Sequence[SourceColumn]) -> Any:
    """Return the schema of the part files."""
    return pa.schema([pa.field(c.name, c.arrow) for c in columns])


def fit_batch(batch: Any, columns: Sequence[SourceColumn], table: str) -> pa.RecordBatch:
    """Return the driver's batch with the types of the part files.

    Raises:
        SourceUnreadable: a value does not fit; its column is named, the value is not.
    """
    if NESTED in batch.schema.names and pc.any(batch.column(NESTED)).as_py():
        raise SourceUnreadable(
            f"An array of {table} has more than one dimension.",
            hint="The store keeps lists of single values; flatten it in a query.",
        )
    arrays = []
    for column in columns:
        try:
            arrays.append(_fit(batch.column(column.name), column.arrow, column, table))
        except pa.ArrowException:
            # Arrow's message quotes the value, which is member data
            raise SourceUnreadable(
                f"Column {column.name} of {table} holds a value that {column.kind} cannot hold.",
                hint="Declare a wider type in the catalog's source.",
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=part_schema(columns))


def _fit(array: Any, wanted: Any, column: SourceColumn, table: str) -> Any:
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_list(wanted):
        return _fit_list(array, wanted, column, table)
    if pa.types.is_decimal(wanted) or (pa.types.is_string(array.type) and wanted != array.type):
        unset = pc.is_in(pc.utf8_lower(array), pa.array(_UNSET))
        array = _without(array, unset, column, table)
    elif pa.types.is_timestamp(wanted):
        array = _without(array, pc.less(array.cast(pa.int64()), _FIRST_MICROSECOND), column, table)
    elif pa.types.is_date(wanted):
        array = _without(array, pc.less(array.cast(pa.int32()), _FIRST_DAY), column, table)
    return array if array.type == wanted else array.cast(wanted)


def _fit_list(array: Any, wanted: Any, column: SourceColumn, table: str) -> Any:
    values = _fit(array.values, wanted.value_type, column, table)
    return pa.ListArray.from_arrays(
        array.offsets, values, type=wanted, mask=array.is_null() if array.null_count else None
    )


def _without(array: Any, unset: Any, column: SourceColumn, table: str) -> Any:
    """Make the marked values null, or refuse them."""
    if not pc.any(unset).as_py():
        return array
    if not column.lenient:
        raise SourceUnreadable(
            f"Column {column.name} of {table} holds infinite or NaN values, which the store cannot hold.",
            hint="Read them as missing: columns: {NAME: {not_finite: missing}}, or change them in a query.",
        )
    return pc.if_else(unset, pa.scalar(None, array.type), array)
