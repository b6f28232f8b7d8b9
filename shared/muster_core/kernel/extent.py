"""How much memory one fold, and one pass over a table, may take in a partition of a given size.

All figures are bytes and err upwards. What depends on the customers alone is surely needed; what depends on
rows is an upper bound, since a plan does not say how many of them a window or a filter lets through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from muster_core.catalog.type import Kind, parse_type
from muster_core.kernel.node import (
    AnyFold,
    Fold,
    GroupNode,
    HeldFold,
    LastRowFold,
    PeriodsFold,
    SequenceFold,
    TablePlan,
)
from muster_core.kernel.reach import rows_needed
from muster_core.kernel.source import Partition
from muster_core.lake.order import CHUNK_ROWS

#: A value of a column of one row in Arrow, and the views of it that kernels make.
_VALUE_BYTES = 48
#: What reading keeps of a column beside the chunk: the pages of a row group, of two files while they merge.
_READ_BYTES = 3 << 20
#: A text in Arrow: what a plan knows of it is nothing.
_TEXT_BYTES = 40
#: Sums of decimals beyond 64 bits: four pieces, and Python's integers at the end.
_WIDE_BYTES = 32 + 8 + 60
_NARROW_DIGITS = 18
#: Rows that wait to be reduced, see `muster_core.kernel.pick` and `muster_core.kernel.period`.
_PICKED_ROWS = 250_000
_DENSE_CELLS = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How large a partition is: ordinals given out, and rows of each table, dead ones included."""

    customers: int
    rows: Mapping[str, int]

    @classmethod
    def of(cls, tables: Iterable[str], partition: Partition) -> Extent:
        """Return the extent of `partition` as far as `tables` go."""
        rows = {name: partition.row_count(name) for name in tables}
        return cls(customers=partition.size, rows=rows)

    @classmethod
    def largest(cls, sizes: Iterable[tuple[int, Mapping[str, int]]]) -> Extent:
        """Return what no partition exceeds; `sizes` are customers, and rows by table, of each."""
        customers, rows = 0, dict[str, int]()
        for size, tables in sizes:
            customers = max(customers, size)
            for name, count in tables.items():
                rows[name] = max(rows.get(name, 0), count)
        return cls(customers=customers, rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes of one fold: kept until its pass ends, and needed for a moment only.

    `surely` is what it takes whatever the rows are like.
    """

    kept: int
    moment: int = 0
    surely: int = 0


def need_of(fold: AnyFold, extent: Extent, rows: int, *, ties: int) -> Need:
    """Return what a fold over at most `rows` rows needs; `ties` is as in `make_accumulator`."""
    customers = extent.customers
    match fold:
        case Fold(function="first" | "last"):
            return _picked(fold, customers, rows, ties)
        case Fold(function="count_distinct"):
            surely = 8 * customers
            return Need(kept=surely + 12 * rows, moment=40 * rows, surely=surely)
        case Fold():
            return _certain(_aggregate_bytes(fold) * customers)
        case LastRowFold():
            return _picked(fold, customers, rows, 0)
        case SequenceFold():
            return Need(kept=customers + 13 * rows, moment=110 * rows, surely=customers)
        case PeriodsFold():
            return _periods(fold, customers, rows)
        case HeldFold():
            return _certain(14 * customers)


def _certain(size: int) -> Need:
    return Need(kept=size, surely=size)


def _aggregate_bytes(fold: Fold) -> int:
    """Return the bytes a customer takes in an accumulator of numbers and its result."""
    kind = None if fold.kind is None else parse_type(fold.kind)
    floating = kind is not None and kind.kind is Kind.FLOAT
    wide = kind is not None and kind.kind is Kind.DECIMAL and kind.precision > _NARROW_DIGITS
    match fold.function:
        case "sum":
            return 8 + wide * _WIDE_BYTES
        case "avg":
            return 13 + 8 * floating + wide * _WIDE_BYTES
        case "min" | "max":
            return 9 + wide * _WIDE_BYTES
        case _:
            return 4


def _picked(fold: Fold | LastRowFold, customers: int, rows: int, ties: int) -> Need:
    value = 1 if isinstance(fold, LastRowFold) else _width(fold.kind)
    waiting = min(rows, customers + max(_PICKED_ROWS, customers))
    ordered = isinstance(fold, Fold) and fold.order_by is not None
    row = 8 + value + (16 + 10 * ties if ordered else 0)
    # places are looked up by customer, and the pieces of all chunks joined
    moment = 16 * customers + (3 if ordered else 1) * row * waiting + value * customers
    surely = (8 if ordered else 5) * customers
    return Need(kept=surely + row * waiting + value * customers, moment=moment, surely=surely)


def _width(kind: str | None) -> int:
    if kind is None:
        return 8
    match parse_type(kind).kind:
        case Kind.TEXT:
            return _TEXT_BYTES
        case Kind.ARRAY:
            return 2 * _TEXT_BYTES
        case Kind.DECIMAL:
            return 17
        case _:
            return 9


def _periods(fold: PeriodsFold, customers: int, rows: int) -> Need:
    cells = customers * (len(fold.edges) - 1)
    if cells <= _DENSE_CELLS:
        return Need(kept=4 * cells, moment=4 * cells, surely=4 * cells)
    return Need(kept=32 * min(rows, cells) + 8 * customers, moment=56 * rows, surely=8 * customers)


class TableNeed:
    """What passes over one table need: of single folds, and of the chunk all of them look at."""

    def __init__(self, name: str, table: TablePlan, extent: Extent) -> None:
        self._table = table
        rows = extent.rows.get(name, 0)
        self._chunk = min(rows, CHUNK_ROWS)
        ties = len(table.row_key) + 2
        self.folds = [need_of(fold, extent, rows, ties=ties) for fold in table.folds]
        names = {node.column for node in table.rows if not isinstance(node, GroupNode)}
        named = (getattr(fold, "column", None) for fold in table.folds)
        #: Columns of a chunk: ordinal, time, source file and row, and those that folds and nodes name.
        self._columns = 4 + len(names | {name for name in named if name is not None})
        self._nodes: dict[int, set[int]] = {}

    def nodes(self, fold: int) -> set[int]:
        """Return the row nodes a fold looks at."""
        known = self._nodes.get(fold)
        if known is None:
            known = self._nodes[fold] = rows_needed(self._table.rows, [self._table.folds[fold]])
        return known

    def chunk(self, nodes: int) -> int:
        """Return the bytes of a chunk in which so many row nodes are decided."""
        reading = _READ_BYTES if self._chunk == CHUNK_ROWS else 0
        columns = self._columns * (_VALUE_BYTES * self._chunk + reading)
        # beside the masks of row nodes: a selection of rows, their ordinals and values
        return columns + (nodes + 32) * self._chunk
