"""Which rows of one customer decided a condition on them."""

from __future__ import annotations

import math
from decimal import localcontext
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.catalog.type import Kind
from muster_core.kernel.column import Column
from muster_core.kernel.customer import OneCustomer
from muster_core.kernel.gather import Outside
from muster_core.kernel.node import (
    AnyFold,
    Fold,
    HeldFold,
    LastRowFold,
    SequenceFold,
    TablePlan,
)
from muster_core.kernel.scan import Chunk, column_kinds, selection, times_of
from muster_core.kernel.sequence import Sequences
from muster_core.kernel.source import Bits
from muster_core.lake.manifest import SOURCE_FILE, SOURCE_ROW

Places = NDArray[np.int64]

#: Decimals have at most 38 digits, and a sum a few more.
_DIGITS = 60
_NONE: Places = np.zeros(0, dtype=np.int64)


class Witnesses:
    """The rows of one customer in one table; rows are told by their places in `OneCustomer.table`."""

    def __init__(self, name: str, table: TablePlan, customer: OneCustomer) -> None:
        self._table = table
        self._rows = customer.table(name)
        self._kinds = column_kinds(table, table.folds)
        self._chunk: Chunk | None = None
        self._times: NDArray[np.int64] | None = None
        batches = self._rows.to_batches()
        if batches:
            (batch,) = batches
            if table.time is not None:
                self._times = times_of(batch, table.time, self._kinds[table.time])
            outside = Outside(customer, table.gathered)
            self._chunk = Chunk(batch, self._times, self._kinds, table.rows, outside)

    def of(self, fold: AnyFold) -> Places:
        """Return the rows that a fold's result comes from, newest first.

        Of counts, sums and means those that were counted; of the least and greatest value those that have it;
        of the first and last row that one row; of a sequence one chain of rows; of a held value its latest
        unbroken stretch, or the latest row where that has another value.
        """
        if self._chunk is None:
            return _NONE
        where, low, high = selection(fold)
        rows = np.flatnonzero(self._chunk.mask(where) & self._between(low, high))
        match fold:
            case Fold(function="first" | "last"):
                return self._picked(fold, rows)
            case Fold(column=str(column)):
                return self._valued(fold, self._chunk.column(column), rows)
            case LastRowFold():
                return rows[:1]
            case SequenceFold():
                return self._chain(fold, self._chunk, rows)
            case HeldFold():
                return _held(fold, self._chunk, rows)
        return rows

    def value(self, fold: AnyFold) -> Any:
        """Return a fold's value as Python holds it: a number, a time, a text; None where there is none.

        Folds that only say whether have none.
        """
        if not isinstance(fold, Fold):
            return None
        rows = self.of(fold)
        if fold.function in ("count", "exists"):  # whether there are rows is told by their number
            return len(rows)
        assert fold.column is not None
        values = self._values(fold.column, rows)
        match fold.function:
            case "count_distinct":
                return len(set(values))
            case "sum" | "avg":
                return _added(values, mean=fold.function == "avg")
        return values[0] if values else None

    def _values(self, column: str, rows: Places) -> list[Any]:
        if self._chunk is None:
            return []
        held = self._chunk.column(column)
        found = held.array.take(pa.array(rows)).to_pylist()
        return [v for v, valid in zip(found, held.valid[rows], strict=True) if valid]

    def _between(self, low: int | None, high: int | None) -> Bits:
        found = np.ones(self._rows.num_rows, dtype=np.bool_)
        if self._times is None:
            return found
        # a missing time is the least number there is, which lies within no bounds
        found &= self._times > np.iinfo(np.int64).min
        if low is not None:
            found &= self._times >= low
        if high is not None:
            found &= self._times <= high
        return found

    def _picked(self, fold: Fold, rows: Places) -> Places:
        latest = fold.function == "last"
        if fold.order_by is None or self._chunk is None:
            return rows[:1] if latest else rows[len(rows) - 1 :]
        kept = rows[self._chunk.column(fold.order_by).valid[rows]]
        if not len(kept):
            return kept
        names = [*self._table.row_key, SOURCE_FILE, SOURCE_ROW]
        by = self._chunk.column(fold.order_by).array.take(pa.array(kept)).to_pylist()
        ties = [self._chunk.array(name).take(pa.array(kept)).to_pylist() for name in names]
        order = [tuple(map(_lowest, key)) for key in zip(by, *ties, strict=True)]
        best = max(order) if latest else min(order)
        return kept[[order.index(best)]]

    def _valued(self, fold: Fold, column: Column, rows: Places) -> Places:
        rows = rows[column.valid[rows]]
        if fold.function not in ("min", "max") or not len(rows):
            return rows
        values = column.floats if column.kind.kind is Kind.FLOAT else column.whole
        best = min(values[rows]) if fold.function == "min" else max(values[rows])
        return rows[np.array([value == best for value in values[rows]], dtype=np.bool_)]

    def _chain(self, fold: SequenceFold, chunk: Chunk, rows: Places) -> Places:
        """Return one chain of rows, the last first; from a row the earliest next one is never worse than another."""
        times = chunk.times
        rising = rows[np.argsort(times[rows], kind="stable")]
        passing = [chunk.mask(step)[rising] for step in fold.steps]
        for start in np.flatnonzero(passing[0]).tolist():
            if fold.high is not None and times[rising[start]] > fold.high:
                break
            places = [start]
            for step in passing[1:]:
                later = np.flatnonzero(step & (times[rising] > times[rising[places[-1]]]))
                if not len(later):
                    break
                places.append(int(later[0]))
            chain = rising[places]
            if len(places) == len(fold.steps) and self._reaches(fold, times[chain]):
                return chain[::-1]
        return _NONE

    def _reaches(self, fold: SequenceFold, times: NDArray[np.int64]) -> bool:
        """Whether a chain ends within the time allowed after its first row."""
        decided = Sequences(fold, 1, dates=self._table.time_kind == Kind.DATE)
        steps = list(np.eye(len(times), dtype=np.bool_)[:, ::-1])
        decided.update(np.zeros(len(times), dtype=np.int64), times[::-1], steps)
        return bool(decided.finish()[0])


def _added(values: list[Any], *, mean: bool) -> Any:
    """Return the sum of numbers, decimals exactly, or their mean; None where there is none."""
    if mean and not values:
        return None
    with localcontext(prec=_DIGITS):
        total = sum(values)
        found = total / len(values) if mean else total
    return None if isinstance(found, float) and math.isnan(found) else found


def _held(fold: HeldFold, chunk: Chunk, rows: Places) -> Places:
    rows = rows[chunk.held(fold)[rows]]
    passed = chunk.passing(fold.value, fold.predicate)[rows]
    if not len(rows) or not passed[0]:
        return rows[:1]
    broken = np.flatnonzero(~passed)
    return rows[: broken[0]] if len(broken) else rows


def _lowest(value: Any) -> tuple[bool, Any]:
    """Return what places a missing value, by whatever name, below every other."""
    missing = value is None or value == "" or (isinstance(value, float) and math.isnan(value))
    return (not missing, 0 if missing else value)
