"""One row per customer: the earliest or latest, by the table's order or by a column, and its value."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import Kind
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.fold import Index
from muster_core.kernel.source import Bits
from muster_core.lake.order import sortable

#: Picked rows are reduced to one a customer whenever this many are waiting, or as many as customers.
_WAITING_ROWS = 250_000
_OWNER, _VALUE, _BY = "owner", "value", "by"


def first_places(ordinals: Index, scratch: NDArray[np.int32]) -> Bits:
    """Return which rows are the first of their customer in a chunk; `scratch` has a slot a customer."""
    places = np.arange(len(ordinals), dtype=np.int32)
    scratch[ordinals[::-1]] = places[::-1]  # of repeated ordinals the last assignment stays
    found: Bits = scratch[ordinals] == places
    return found


class Picker(Protocol):
    """Finds one row per customer, and keeps the value it has in one column."""

    def update(self, ordinals: Index, values: Any) -> None:
        """Take in rows in the table's order, newest first, with their values as an Arrow array."""
        ...

    def finish(self) -> Any:
        """Return the value of each customer's row as an Arrow array, null for who has none."""
        ...


class Latest:
    """The first row that comes: the latest in the table's order."""

    def __init__(self, size: int, kind: Any) -> None:
        self.found = np.zeros(size, dtype=np.bool_)
        self._scratch = np.zeros(size, dtype=np.int32)
        self._kept = _Kept(size, kind)

    def update(self, ordinals: Index, values: Any) -> None:
        """Keep the first row of every customer not met before."""
        new = np.flatnonzero(~self.found[ordinals])
        if len(new):
            new = new[first_places(ordinals[new], self._scratch)]
            self.found[ordinals[new]] = True
            self._kept.add(ordinals[new], values.take(pa.array(new)))

    def finish(self) -> Any:
        """Return each customer's value."""
        return self._kept.values()


class Earliest:
    """The last row that comes: the earliest in the table's order."""

    def __init__(self, size: int, kind: Any) -> None:
        self._scratch = np.zeros(size, dtype=np.int32)
        self._kept = _Kept(size, kind)

    def update(self, ordinals: Index, values: Any) -> None:
        """Keep the last row of every customer of the chunk in place of an earlier chunk's."""
        last = np.flatnonzero(first_places(ordinals[::-1], self._scratch)[::-1])
        self._kept.add(ordinals[last], values.take(pa.array(last)))

    def finish(self) -> Any:
        """Return each customer's value."""
        return self._kept.values()


class _Kept:
    """Values by customer, later ones in place of earlier ones; pieces are joined whenever that pays."""

    def __init__(self, size: int, kind: Any) -> None:
        self._size = size
        self._kind = kind
        self._pieces: list[tuple[Index, Any]] = []
        self._rows = 0

    def add(self, ordinals: Index, values: Any) -> None:
        """Take in values of different customers."""
        if pa.types.is_dictionary(
            values.type
        ):  # of a chunk, most of whose texts are not among these
            values = values.cast(pa.string())
        self._pieces.append((ordinals, values))
        self._rows += len(ordinals)
        if self._rows > self._size + max(_WAITING_ROWS, self._size):
            self._reduce()

    def values(self) -> Any:
        """Return each customer's value, null for who has none."""
        self._reduce()
        if not self._pieces:
            return pa.nulls(self._size, self._kind)
        (ordinals, values), *_ = self._pieces
        places = np.full(self._size, -1, dtype=np.int64)
        places[ordinals] = np.arange(len(ordinals))
        return values.take(pa.array(places, mask=places < 0))

    def _reduce(self) -> None:
        if len(self._pieces) < 2:
            return
        ordinals = np.concatenate([piece for piece, _ in self._pieces])
        values = one_array(pa.chunked_array([piece for _, piece in self._pieces]))
        places = np.full(self._size, -1, dtype=np.int64)
        places[ordinals] = np.arange(len(ordinals))
        kept = places[places >= 0]
        self._pieces = [(ordinals[kept], values.take(pa.array(kept)))]
        self._rows = len(kept)


class Ordered:
    """The row with the greatest (or least) value of a column; equal ones go by the columns `ties`.

    A missing tie value is the lowest. Rows whose ordering value is worse than one already known are left out
    before anything is sorted.
    """

    def __init__(self, size: int, kind: Any, *, latest: bool, ties: int) -> None:
        self._size = size
        self._kind = kind
        self._latest = latest
        # whether a tie value is set comes before it: what is missing is lowest, whatever stands there
        self._names = [_BY, *(f"tie{place}" for place in range(2 * ties))]
        self._best: NDArray[Any] | None = None
        self._known: list[Any] = []
        self._numbers: list[NDArray[Any]] = []
        self._rows = 0

    def update(self, ordinals: Index, values: Any, by: Column, ties: list[Any]) -> None:
        """Take in rows with their values, ordering values and tie columns."""
        numbers = self._oriented(by)
        kept = np.flatnonzero(by.valid & self._good(ordinals, numbers, by.valid))
        if not len(kept):
            return
        rows = pa.array(kept)
        columns = [by.array]
        for tie in map(sortable, ties):
            columns += [tie.is_valid().cast(pa.int8()), tie]
        self._numbers.append(numbers[kept])
        self._known.append(
            pa.table(
                {
                    _OWNER: pa.array(ordinals[kept]),
                    _VALUE: values.take(rows),
                    **{
                        name: column.take(rows)
                        for name, column in zip(self._names, columns, strict=True)
                    },
                }
            )
        )
        self._rows += len(kept)
        if self._rows > self._size + max(_WAITING_ROWS, self._size):
            self._reduce()

    def _oriented(self, by: Column) -> NDArray[Any]:
        """Return the ordering values such that the greatest wins; beyond 64 bits as good as any other."""
        numbers: NDArray[Any] = by.floats if by.kind.kind is Kind.FLOAT else by.whole
        if numbers.dtype == object or (by.kind.kind is Kind.DECIMAL and by.kind.precision > 18):
            return np.zeros(len(numbers), dtype=np.int64)
        if self._latest:
            return numbers
        return -numbers if numbers.dtype == np.float64 else ~numbers

    def _good(self, ordinals: Index, numbers: NDArray[Any], usable: Bits) -> Bits:
        """Return which rows are not beaten by the best ordering value known of their customer."""
        if self._best is None:
            worst = -np.inf if numbers.dtype == np.float64 else np.iinfo(np.int64).min
            self._best = np.full(self._size, worst, dtype=numbers.dtype)
        np.maximum.at(self._best, ordinals[usable], numbers[usable])
        good: Bits = numbers >= self._best[ordinals]
        return good

    def finish(self) -> Any:
        """Return each customer's value."""
        self._reduce()
        if not self._known:
            return pa.nulls(self._size, self._kind)
        owners = self._known[0].column(_OWNER).to_numpy()
        places = np.full(self._size, -1, dtype=np.int64)
        places[owners] = np.arange(len(owners))
        values = one_array(self._known[0].column(_VALUE))
        return values.take(pa.array(places, mask=places < 0))

    def _reduce(self) -> None:
        """Keep one row a customer; only what ties by the ordering value has to be sorted."""
        if not self._known:
            return
        assert self._best is not None
        joined = pa.concat_tables(self._known).unify_dictionaries().combine_chunks()
        numbers = np.concatenate(self._numbers)
        owners = joined.column(_OWNER).to_numpy()
        good = numbers >= self._best[owners]
        single = good & (np.bincount(owners[good], minlength=self._size)[owners] == 1)
        tied = joined.take(pa.array(np.flatnonzero(good & ~single)))
        order = "descending" if self._latest else "ascending"
        keys = [(_OWNER, "ascending"), *((name, order) for name in self._names)]
        places = pc.sort_indices(tied, sort_keys=keys).to_numpy().astype(np.int64)
        sorted_ = tied.column(_OWNER).to_numpy()[places]
        first = places[np.append(True, sorted_[1:] != sorted_[:-1])] if len(places) else places
        kept = np.concatenate(
            [np.flatnonzero(single), np.flatnonzero(good & ~single)[first.astype(np.int64)]]
        )
        self._known = [joined.take(pa.array(kept)).combine_chunks()]
        self._numbers = [numbers[kept]]
        self._rows = len(kept)
