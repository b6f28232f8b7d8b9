"""What PostgreSQL types become: exactly, or not at all.

Every column is fetched by an expression whose result Arrow can hold; `arrow` is what its part files hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from muster_core.catalog.type import ColumnType, Kind, parse_type
from muster_core.extract.document import ExtractColumn
from muster_core.lake.conversion import MAX_PRECISION, arrow_type, column_type

_PLAIN = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "text": pa.string(),
    "varchar": pa.string(),
}
#: Types that are text to everybody but PostgreSQL; ``char(n)`` loses the blanks that fill it up.
_AS_TEXT = frozenset({"bpchar", "citext", "uuid", "name", "char"})
_JSON = frozenset({"json", "jsonb"})

_JSON_HINT = "Declare the values wanted of it: columns: {NAME: {json: COLUMN.STEP}}."
_NUMERIC_HINT = 'Say how exact it is: columns: {NAME: {type: "decimal(18,4)"}}, or give the column numeric(18,4).'


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerType:
    """One row of ``pg_type``."""

    name: str
    #: b base, e enum, d domain, c composite, r range, ...
    kind: str
    #: Oids: of an array's elements and of a domain's base; 0 for none.
    element: int
    base: int
    modifier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """One column as it is fetched: `expression` over the source's rows gives what `arrow` says."""

    name: str
    expression: str
    arrow: Any
    #: Whether values the store cannot hold (infinite times, NaN numerics) become null.
    lenient: bool = False

    @property
    def kind(self) -> ColumnType:
        """Return the catalog type."""
        found = column_type(self.arrow)
        assert found is not None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A column the store has no type for: what PostgreSQL calls its type, and what to do."""

    type: str
    hint: str | None = None


def quote(name: str) -> str:
    """Return an identifier as PostgreSQL takes it whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text literal."""
    doubled = text.replace("'", "''")
    return f" E'{doubled.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{doubled}'"


def map_column(
    name: str, oid: int, modifier: int, types: Mapping[int, ServerType], said: ExtractColumn
) -> SourceColumn | LeftOut:
    """Return how the column `name` of type `oid` is fetched, or why it is left out."""
    known = types[oid]
    while known.kind == "d":
        modifier = known.modifier if modifier < 0 else modifier
        known = types[known.base]
    column, lenient = quote(name), said.not_finite == "missing"
    if known.element and known.name.startswith("_"):
        return _array(name, known, modifier, types, said)
    if known.name == "numeric":
        found = _numeric(modifier, said.type)
        if isinstance(found, LeftOut):
            return found
        return SourceColumn(name=name, expression=column, arrow=found, lenient=lenient)
    if said.type is not None:
        return LeftOut(
            type=known.name,
            hint="Only numeric columns and JSON values take a type; the others have one.",
        )
    if known.name in _PLAIN:
        return SourceColumn(name=name, expression=column, arrow=_PLAIN[known.name], lenient=lenient)
    if known.kind == "e" or known.name in _AS_TEXT:
        return SourceColumn(name=name, expression=f"{column}::text", arrow=pa.string())
    return LeftOut(type=known.name, hint=_JSON_HINT if known.name in _JSON else None)


def _array(
    name: str,
    known: ServerType,
    modifier: int,
    types: Mapping[int, ServerType],
    said: ExtractColumn,
) -> SourceColumn | LeftOut:
    element = types[known.element]
    found = map_column(name, known.element, modifier, types, said)
    if isinstance(found, LeftOut):
        return LeftOut(type=f"{element.name}[]", hint=found.hint)
    if pa.types.is_list(found.arrow):
        return LeftOut(type=f"{element.name}[]")
    as_text = found.expression.endswith("::text") or element.kind == "d"
    cast = f"::{_element_name(found.arrow)}[]" if as_text else ""
    return SourceColumn(
        name=name,
        expression=f"{quote(name)}{cast}",
        arrow=pa.list_(found.arrow),
        lenient=found.lenient,
    )


def _element_name(arrow: Any) -> str:
    """Return the PostgreSQL type that arrays of domains, enums and the like are cast to."""
    if pa.types.is_decimal(arrow):
        return "numeric"
    return next(name for name, type_ in {"text": pa.string(), **_PLAIN}.items() if type_ == arrow)


def _numeric(modifier: int, said: str | None) -> Any:
    if said is not None:
        kind = _read_type(said)
        if kind is None or not kind.is_number:
            return LeftOut(type="numeric", hint=f"{said} is no type for numbers.")
        return arrow_type(kind)
    if modifier < 4:
        return LeftOut(type="numeric without precision", hint=_NUMERIC_HINT)
    precision = ((modifier - 4) >> 16) & 0xFFFF
    # eleven bits with a sign: scales may be negative, or beyond the precision
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    if precision > MAX_PRECISION:
        return LeftOut(
            type=f"numeric({precision},{scale})",
            hint=f"The store keeps {MAX_PRECISION} digits; cast it in a query.",
        )
    return pa.decimal128(precision, scale)


def map_json(
    name: str, said: ExtractColumn, oids: Mapping[str, int], types: Mapping[int, ServerType]
) -> SourceColumn | LeftOut:
    """Return how a declared JSON value is fetched; `oids` are those of the source's columns."""
    root, *path = said.steps
    known = types.get(oids.get(root, 0))
    while known is not None and known.kind == "d":
        known = types[known.base]
    if known is None or known.name not in _JSON:
        return LeftOut(type="json", hint=f"The source has no json or jsonb column {root}.")
    if not path:
        return LeftOut(type="json", hint="Name the value below the column: COLUMN.STEP.")
    kind = _read_type(said.type or "text")
    if kind is None or kind.kind is Kind.ARRAY:
        return LeftOut(type="json", hint=f"{said.type} is no type for single values.")
    steps = ", ".join(quote_text(step) for step in path)
    return SourceColumn(
        name=name,
        expression=f"{quote(root)} #>> ARRAY[{steps}]::text[]",
        arrow=arrow_type(kind),
        lenient=said.not_finite == "missing",
    )


def _read_type(text: str) -> ColumnType | None:
    try:
        kind = parse_type(text)
    except ValueError:
        return None
    if kind.kind is Kind.DECIMAL and not 0 <= kind.scale <= kind.precision <= MAX_PRECISION:
        return None
    return kind
