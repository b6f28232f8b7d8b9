"""Counting, while rows are written, what their columns hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.quantile import Spread
from muster_core.catalog.statistic import MOST_VALUES
from muster_core.catalog.type import ColumnType, Kind, parse_type

#: Rows looked at first: a column that is all different among these keeps no list, and costs no more.
_SAMPLE_ROWS = 4_096

#: A list whose texts are longer than this, all together, is not kept: statistics stay a small file.
MOST_BYTES = 65_536

#: Decimals of so many digits are whole numbers of 64 bits.
_NARROW_DIGITS = 18

_WITHOUT_RANGE = frozenset({Kind.TEXT, Kind.BOOLEAN, Kind.ARRAY})
_WITHOUT_LIST = frozenset({Kind.FLOAT, Kind.TIMESTAMP})


class TableCount:
    """The counts of some columns, fed with tables of rows.

    Of personal columns only rows and missing values are counted: neither a range nor a list is kept.
    """

    def __init__(self, columns: Mapping[str, str], personal: Iterable[str]) -> None:
        hidden = frozenset(personal)
        self._columns = {
            name: ColumnCount(parse_type(text), kept=name not in hidden)
            for name, text in columns.items()
        }

    def add(self, rows: Any) -> None:
        """Take in rows that have all the columns."""
        for name, count in self._columns.items():
            count.add(rows.column(name))

    def result(self) -> dict[str, Any]:
        """Return what was found, ready for JSON and for `ColumnStatistic`."""
        return {name: count.result() for name, count in self._columns.items()}


class ColumnCount:
    """The counts of one column; `kept` says whether its values may be."""

    def __init__(self, kind: ColumnType, *, kept: bool) -> None:
        self._kind = kind
        self._rows = self._nulls = 0
        self._ranged = kept and kind.kind not in _WITHOUT_RANGE
        self._range: tuple[Any, Any] | None = None
        self._spread = Spread() if self._ranged and _is_narrow(kind) else None
        element = kind.element.kind if kind.element else kind.kind
        self._values: dict[Any, int] | None = {} if kept and element not in _WITHOUT_LIST else None
        self._bytes = 0

    def add(self, column: Any) -> None:
        """Take in a chunk."""
        size = len(column)
        self._rows += size
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        values = _set_values(column, self._kind)
        self._nulls += size - _set_rows(column, values, self._kind)
        if not len(values):
            return
        if self._ranged:
            self._widen(values)
        if self._spread is not None:
            self._spread.add(_numbers(values, self._kind))
        if self._values is not None:
            self._list(values)

    def result(self) -> dict[str, Any]:
        """Return the fields of a `ColumnStatistic`."""
        low, high = self._range or (None, None)
        values = self._values
        sketch = self._spread.result() if self._spread else None
        return {
            "kind": str(self._kind),
            "rows": self._rows,
            "nulls": self._nulls,
            "minimum": _whole(low, self._kind),
            "maximum": _whole(high, self._kind),
            "values": None
            if values is None
            else {_text(value, self._kind): count for value, count in values.items()},
            "spread": sketch and sketch.model_dump(),
        }

    def _widen(self, values: Any) -> None:
        # dates and instants as numbers: Python has no year beyond 9999
        numbers = values.cast(_NUMBERS[self._kind.kind]) if self._kind.kind in _NUMBERS else values
        found = pc.min_max(numbers).as_py()
        low, high = found["min"], found["max"]
        if self._range is not None:
            low, high = min(low, self._range[0]), max(high, self._range[1])
        self._range = low, high

    def _list(self, values: Any) -> None:
        kind = self._kind.element or self._kind
        sample = pc.count_distinct(values[:_SAMPLE_ROWS]).as_py()
        if sample > MOST_VALUES:
            self._values = None
            return
        counted = pc.value_counts(values)
        if len(counted) > MOST_VALUES:
            self._values = None
            return
        found = counted.field("values")
        if kind.kind in _NUMBERS:
            found = found.cast(_NUMBERS[kind.kind])
        known = self._values
        assert known is not None
        for value, count in zip(
            found.to_pylist(), counted.field("counts").to_pylist(), strict=True
        ):
            if value not in known:
                known[value] = 0
                self._bytes += len(value) if isinstance(value, str) else 8
            known[value] += count
        if len(known) > MOST_VALUES or self._bytes > MOST_BYTES:
            self._values = None


def _is_narrow(kind: ColumnType) -> bool:
    """Whether the numbers of a column are doubles, or whole numbers of 64 bits in its own terms."""
    return kind.kind is not Kind.DECIMAL or kind.precision <= _NARROW_DIGITS


def _numbers(values: Any, kind: ColumnType) -> NDArray[Any]:
    """Return set values as doubles, or as whole numbers in the column's own terms."""
    if kind.kind is Kind.FLOAT:
        return np.asarray(values.cast(pa.float64()))
    if kind.kind is Kind.DECIMAL:
        wide = values.cast(pa.decimal128(38, kind.scale))
        # sixteen bytes each, the lower half first; the upper one only repeats the sign
        halves = np.frombuffer(wide.buffers()[1], dtype="<i8")
        return halves[2 * wide.offset : 2 * (wide.offset + len(wide)) : 2]
    number = _NUMBERS.get(kind.kind)
    return np.asarray((values.cast(number) if number else values).cast(pa.int64()))


_NUMBERS = {Kind.DATE: pa.int32(), Kind.TIMESTAMP: pa.int64()}


def _set_values(column: Any, kind: ColumnType) -> Any:
    """Return the values that are set, of an array its elements: no null, no empty text, no NaN."""
    if kind.element is not None:
        return _set_values(pc.list_flatten(column), kind.element)
    values = column.drop_null() if column.null_count else column
    if kind.kind is Kind.TEXT:
        lengths = pc.binary_length(values)
        if len(values) and pc.min(lengths).as_py() == 0:
            values = values.filter(pc.greater(lengths, 0))
    elif kind.kind is Kind.FLOAT:
        missing = pc.is_nan(values)
        if pc.any(missing).as_py():
            values = values.filter(pc.invert(missing))
    return values


def _set_rows(column: Any, values: Any, kind: ColumnType) -> int:
    """Return how many rows of a column have a value; `values` are those of it that are set."""
    if kind.element is None:
        return len(values)
    parents = pc.list_parent_indices(column)
    present = _is_set(pc.list_flatten(column), kind.element)
    return len(np.unique(parents.to_numpy()[present.to_numpy(zero_copy_only=False)]))


def _is_set(elements: Any, kind: ColumnType) -> Any:
    if kind.kind is Kind.TEXT:
        return pc.fill_null(pc.not_equal(elements, ""), False)
    if kind.kind is Kind.FLOAT:
        return pc.fill_null(pc.invert(pc.is_nan(elements)), False)
    return elements.is_valid()


def _whole(value: Decimal | float | None, kind: ColumnType) -> int | float | None:
    """Return an end of a range in the column's own terms."""
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        # not by `scaleb`: its default context rounds to 28 digits
        whole: int = int("".join(map(str, digits))) * 10 ** (kind.scale + int(exponent))
        return -whole if sign else whole
    return value


def _text(value: Any, kind: ColumnType) -> str:
    element = kind.element or kind
    if element.kind is Kind.DECIMAL:
        return str(_whole(value, element))
    if element.kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return str(value)


def listed_bytes(values: Iterable[str], kind: ColumnType) -> int:
    """Return the size of a list of values, written as in `ColumnStatistic.values`, that `MOST_BYTES` limits."""
    is_text = (kind.element or kind).kind is Kind.TEXT
    return sum(len(value) if is_text else 8 for value in values)
