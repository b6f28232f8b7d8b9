"""The value types a catalog column can have, written as short texts such as ``decimal(10,2)``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_ARRAY = re.compile(r"array<(.+)>")


class Kind(StrEnum):
    """What family of comparisons and kernels a type belongs to."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    ARRAY = "array"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """One column type; `precision` and `scale` are set for decimals, `element` for arrays."""

    kind: Kind
    precision: int = 0
    scale: int = 0
    element: ColumnType | None = None

    def __str__(self) -> str:
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        if self.kind is Kind.ARRAY:
            return f"array<{self.element}>"
        return self.kind.value

    @property
    def is_number(self) -> bool:
        """Whether sums and averages over it mean something."""
        return self.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT)

    @property
    def is_time(self) -> bool:
        """Whether it places something in time."""
        return self.kind in (Kind.DATE, Kind.TIMESTAMP)


def parse_type(text: str) -> ColumnType:
    """Read a type as `str(ColumnType)` writes it.

    Raises:
        ValueError: `text` names no type.
    """
    if match := _DECIMAL.fullmatch(text):
        return ColumnType(kind=Kind.DECIMAL, precision=int(match[1]), scale=int(match[2]))
    if match := _ARRAY.fullmatch(text):
        return ColumnType(kind=Kind.ARRAY, element=parse_type(match[1]))
    return ColumnType(kind=Kind(text))
