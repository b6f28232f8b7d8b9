"""Columns outside the rows: of dimensions, found by key, and of the profile, found by customer.

A predicate on such a column is decided once for each row of the dimension and gathered by place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from muster_core.catalog.type import parse_type
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.filter import passing
from muster_core.kernel.node import Gathered, Lookup
from muster_core.kernel.source import Bits, Partition
from muster_core.lake.lookup import KeyIndex, Places, index_of
from muster_core.rules.predicate import Predicate

#: Gives a column of the rows as an Arrow array.
Rows = Callable[[str], Any]


class Outside:
    """The gathered columns of one plan or table, made once a partition and shared by its chunks."""

    def __init__(self, partition: Partition, gathered: Mapping[str, Gathered]) -> None:
        self._partition = partition
        self._gathered = gathered
        self._columns: dict[str, Column] = {}
        self._passing: dict[tuple[str, Predicate], Bits] = {}
        self._customers: dict[str, Places] = {}
        self._profile: dict[str, Any] = {}
        self._chains: dict[tuple[Lookup, ...], Places] = {}
        self._indexes: dict[tuple[str, str], KeyIndex] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._gathered

    def rows_needed(self, names: Iterable[str]) -> set[str]:
        """Return the columns of the rows that finding these columns begins at."""
        found = (self._gathered[name] for name in names if name in self._gathered)
        return {one.lookups[0].column for one in found if one.start == "row"}

    def places(self, name: str, rows: Rows, ordinals: Any) -> Places:
        """Return, per row, the place of a column's value in `column(name)`; -1 where there is none."""
        found = self._gathered[name]
        if found.start == "row":
            return self._found(found, rows(found.lookups[0].column))
        known = self._customers.get(name)
        if known is None:
            known = self._customers[name] = self._by_customer(found)
        return known if ordinals is None else known[ordinals]

    def column(self, name: str) -> Column:
        """Return all values of the dimension's or the profile's column."""
        known = self._columns.get(name)
        if known is None:
            found = self._gathered[name]
            kind = parse_type(found.kind)
            array = (
                one_array(self._dimension(found.lookups[-1].table, found.column))
                if found.lookups
                else self._of_profile(found.column)
            )
            known = self._columns[name] = Column(array, kind)
        return known

    def gathered(self, name: str, places: Places) -> Column:
        """Return the values at `places` as a column of the rows."""
        column = self.column(name)
        return Column(column.array.take(pa.array(places, mask=places < 0)), column.kind)

    def passing(self, name: str, predicate: Predicate, places: Places) -> Bits:
        """Return which rows pass; where there is no value exactly the negated predicates do."""
        positive = predicate.model_copy(update={"negate": False})
        known = self._passing.get((name, positive))
        if known is None:
            decided = passing(positive, self.column(name), _no_other)
            # the last one stands for rows without a value: their place is -1
            known = self._passing[name, positive] = np.append(decided, np.False_)
        found: Bits = known[places]
        return ~found if predicate.negate else found

    def _found(self, gathered: Gathered, references: Any) -> Places:
        first, *others = gathered.lookups
        places = self._index(first).find(references)
        if others:
            places = self._onward(gathered.lookups)[places]
        return places

    def _onward(self, lookups: tuple[Lookup, ...]) -> Places:
        """Return, per row of the first dimension, its row of the last; -1 stands for no row at the end."""
        known = self._chains.get(lookups)
        if known is None:
            before, step = lookups[-2:]
            column = one_array(self._dimension(before.table, step.column))
            known = np.append(self._index(step).find(column), np.int32(-1))
            if len(lookups) > 2:
                known = known[self._onward(lookups[:-1])]
            self._chains[lookups] = known
        return known

    def _index(self, step: Lookup) -> KeyIndex:
        known = self._indexes.get((step.table, step.key))
        if known is None:
            known = index_of(self._dimension(step.table, step.key))
            self._indexes[step.table, step.key] = known
        return known

    def _by_customer(self, gathered: Gathered) -> Places:
        if not gathered.lookups:
            return np.arange(self._partition.size, dtype=np.int32)
        return self._found(gathered, self._of_profile(gathered.lookups[0].column))

    def _of_profile(self, column: str) -> Any:
        known = self._profile.get(column)
        if known is None:
            known = self._profile[column] = one_array(self._partition.profile([column])[column])
        return known

    def _dimension(self, table: str, column: str) -> Any:
        return self._partition.dimension(table, [column])[column]


def _no_other(name: str, kind: str) -> Column:
    raise AssertionError("two columns are compared row by row")
