"""Rows held in memory as resolved conditions see them: their own columns, and those they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.kernel.column import Column, one_array
from muster_core.kernel.filter import passing
from muster_core.kernel.source import Bits, Partition
from muster_core.lake.lookup import index_of
from muster_core.rules.predicate import SameRow
from muster_core.rules.resolution import ColumnTest, Group, Resolved
from muster_core.rules.scope import ScopeColumn


def source_column(column: ScopeColumn) -> str:
    """Return the stored column, of the row or of the profile as `start` says, a column is found from."""
    return column.steps[0].column if column.steps else column.column


class RowView:
    """A chunk of rows; every column is made once."""

    def __init__(
        self,
        partition: Partition,
        columns: Mapping[str, Any],
        rows: int,
        *,
        profile: Mapping[str, Any] | None = None,
        ordinals: NDArray[np.int64] | None = None,
    ) -> None:
        """Show `rows` rows.

        Args:
            partition: gives the dimensions.
            columns: the rows' stored columns.
            rows: how many there are.
            profile: stored columns of the profile by ordinal, where the rows are related ones.
            ordinals: the customer of each row.
        """
        self._partition = partition
        self._columns = columns
        self._rows = rows
        self._profile = profile
        self._ordinals = ordinals
        self._made: dict[str, Column] = {}

    def column(self, column: ScopeColumn) -> Column:
        """Return a column, ready for predicates."""
        found = self._made.get(column.name)
        if found is None:
            found = self._made[column.name] = Column(self._array(column), column.kind)
        return found

    def passing(self, test: Resolved | None) -> Bits:
        """Return which rows pass a row condition; None is no condition."""
        if test is None:
            return np.ones(self._rows, dtype=np.bool_)
        if isinstance(test, Group):
            return self._joined(test)
        assert isinstance(test, ColumnTest)

        def other(_name: str, _kind: str) -> Column:
            assert test.other is not None
            return self.column(test.other)

        assert not isinstance(test.predicate, SameRow) or test.other is not None
        return passing(test.predicate, self.column(test.column), other)

    def _joined(self, test: Group) -> Bits:
        parts = [self.passing(part) for part in test.of]
        if test.join == "not":
            return ~parts[0]
        if not parts:
            return np.zeros(self._rows, dtype=np.bool_)
        join = np.logical_and if test.join == "and" else np.logical_or
        found: Bits = join.reduce(parts)
        return found

    def _array(self, column: ScopeColumn) -> Any:
        values = self._start(column)
        for place, step in enumerate(column.steps):
            last = place + 1 == len(column.steps)
            wanted = column.column if last else column.steps[place + 1].column
            known = self._partition.dimension(step.table, [step.key, wanted])
            found = index_of(known[step.key]).find(values)
            dimension = one_array(known[wanted])
            values = dimension.take(pa.array(found, mask=found < 0))
        return values

    def _start(self, column: ScopeColumn) -> Any:
        name = source_column(column)
        if column.start == "row" or self._profile is None:
            return self._columns[name]
        assert self._ordinals is not None
        return self._profile[name].take(pa.array(self._ordinals))
