"""How rows travel through the engine: plain types under positional names.

Dates and instants cross as integers, so no session time zone can touch them; columns are ``c0 c1 ...``, so no
name of a source meets Spark's own rules for names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from muster_core.catalog.document import Table
from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.lake.conversion import arrow_type

#: Columns beside ``c0 c1 ...``: the customer key's text, source file and row, partition, fate and hash.
KEY = "k"
FILE = "f"
ROW = "r"
PARTITION = "p"
FATE = "x"
HASH = "h"

#: Whom a row refers to, known or not: that decides its partition.
PARTNER = "w"

#: Where many rows of one partition lie, as an Arrow stream: a passing file of the lake, its first byte, bytes.
PARCEL_FILE, PARCEL_AT, PARCEL_SIZE = "file", "at", "size"
PARCELS = f"{PARTITION} int, {PARCEL_FILE} string, {PARCEL_AT} bigint, {PARCEL_SIZE} bigint"

#: What is to become of a row, in `FATE`.
ORDINARY, WITHOUT_CUSTOMER, PARENT_UNKNOWN = 0, 1, 2

#: Rows of one batch between the engine and a task.
BATCH_ROWS = 65_536

_DDL = {
    Kind.TEXT: "string",
    Kind.INTEGER: "bigint",
    Kind.FLOAT: "double",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "int",
    Kind.TIMESTAMP: "bigint",
}
_WIRE = {Kind.DATE: pa.int32(), Kind.TIMESTAMP: pa.int64()}


def position(index: int) -> str:
    """Return the name under which column number `index` travels."""
    return f"c{index}"


def order_columns(table: Table) -> list[str]:
    """Return the names under which the columns travel that order a table's rows, before source file and row."""
    names = list(table.columns)
    first = [table.time] if table.time else []
    return [position(names.index(name)) for name in [*first, *table.row_key]]


def ddl_type(kind: ColumnType) -> str:
    """Return Spark's name of the type a column travels as."""
    if kind.kind is Kind.DECIMAL:
        return f"decimal({kind.precision},{kind.scale})"
    if kind.kind is Kind.ARRAY:
        assert kind.element is not None
        return f"array<{ddl_type(kind.element)}>"
    return _DDL[kind.kind]


def wire_type(kind: ColumnType) -> Any:
    """Return the Arrow type a column travels as."""
    if kind.kind is Kind.ARRAY:
        assert kind.element is not None
        return pa.list_(wire_type(kind.element))
    return _WIRE.get(kind.kind) or arrow_type(kind)


def pack(array: Any, kind: ColumnType) -> Any:
    """Return a store array as it travels."""
    return array.cast(wire_type(kind))


def unpack(array: Any, kind: ColumnType) -> Any:
    """Return a travelled array as the store holds it."""
    return array.cast(arrow_type(kind))


def travelling(columns: Sequence[str], *, keys: int, start: int = 0) -> Any:
    """Return the Arrow schema of rows as they are read: key texts ``j0 j1 ...``, columns from `start`, `f`, `r`."""
    return pa.schema(
        [
            *((f"j{i}", pa.string()) for i in range(keys)),
            *((position(start + i), wire_type(parse_type(t))) for i, t in enumerate(columns)),
            (FILE, pa.int32()),
            (ROW, pa.int64()),
        ]
    )


def ddl_columns(columns: Sequence[str], start: int = 0) -> list[str]:
    """Return the DDL of columns of these catalog types, numbered from `start`."""
    return [f"{position(start + i)} {ddl_type(parse_type(t))}" for i, t in enumerate(columns)]
