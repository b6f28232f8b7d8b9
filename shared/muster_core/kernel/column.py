"""One column of one chunk, read once into NumPy and shared by every predicate and aggregate on it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import ColumnType, Kind
from muster_core.kernel.source import Bits

Whole = NDArray[Any]

#: So many different codes fit into a byte.
_BYTE = 256


class Column:
    """An Arrow array of a store type with lazily made NumPy views of it.

    A value is set unless it is null, an empty text, NaN, or an array without set elements.
    """

    def __init__(self, array: Any, kind: ColumnType) -> None:
        self.array = array
        self.kind = kind

    def __len__(self) -> int:
        return len(self.array)

    @cached_property
    def valid(self) -> Bits:
        """Return which values are set."""
        match self.kind.kind:
            case Kind.TEXT:
                if not len(self.dictionary):
                    return np.zeros(len(self), dtype=np.bool_)
                filled = pc.binary_length(self.dictionary).to_numpy(zero_copy_only=False) > 0
                found: Bits = self._present & filled[self.codes]
                return found
            case Kind.FLOAT:
                return self._present & ~np.isnan(self.floats)
            case Kind.ARRAY:
                return self._present & self.some(self.elements.valid)
            case _:
                return self._present

    @cached_property
    def _present(self) -> Bits:
        if self.array.null_count == 0:
            return np.ones(len(self), dtype=np.bool_)
        found: Bits = self.array.is_valid().to_numpy(zero_copy_only=False)
        return found

    @cached_property
    def _encoded(self) -> Any:
        return (
            self.array
            if pa.types.is_dictionary(self.array.type)
            else self.array.dictionary_encode()
        )

    @property
    def dictionary(self) -> Any:
        """Return the distinct texts (some may be unused or equal)."""
        return self._encoded.dictionary

    @cached_property
    def codes(self) -> NDArray[Any]:
        """Return each text's place in the dictionary; 0 where it is null."""
        indices = self._encoded.indices
        if indices.null_count:
            indices = indices.fill_null(0)
        found: NDArray[Any] = indices.to_numpy(zero_copy_only=False)
        # Predicates compare codes: narrow ones go through memory four times as fast.
        return found.astype(np.uint8) if len(self.dictionary) <= _BYTE else found

    @cached_property
    def folded(self) -> Any:
        """Return the dictionary after full Unicode case folding."""
        texts = [None if t is None else t.casefold() for t in self.dictionary.to_pylist()]
        return pa.array(texts, pa.string())

    @cached_property
    def folded_texts(self) -> Any:
        """Return the texts after case folding as a plain Arrow array, null where they are null."""
        # The places of nulls are masked: with nothing but nulls the dictionary is empty.
        return self.folded.take(pa.array(self.codes, mask=~self._present))

    @cached_property
    def texts(self) -> Any:
        """Return the texts as a plain Arrow array."""
        return self._encoded.cast(pa.string())

    @cached_property
    def floats(self) -> NDArray[np.float64]:
        """Return doubles, NaN where null."""
        filled = self.array.fill_null(np.nan) if self.array.null_count else self.array
        found: NDArray[np.float64] = filled.to_numpy(zero_copy_only=False)
        return found

    @cached_property
    def truths(self) -> Bits:
        """Return booleans, False where null."""
        filled = self.array.fill_null(False) if self.array.null_count else self.array
        found: Bits = filled.to_numpy(zero_copy_only=False)
        return found

    @cached_property
    def whole(self) -> Whole:
        """Return whole numbers in the column's terms, 0 where null.

        They are int64, and Python integers only for a chunk with decimals beyond 64 bits.
        """
        if self.kind.kind is Kind.DECIMAL:
            low, high = self.limbs
            if np.array_equal(high, low >> 63):
                return low
            unsigned = low.view(np.uint64).astype(object)
            wide: Whole = high.astype(object) * (1 << 64) + unsigned
            return wide
        target = pa.int32() if self.kind.kind is Kind.DATE else pa.int64()
        plain = self.array if self.array.type == target else self.array.cast(target)
        filled = plain.fill_null(0) if plain.null_count else plain
        found: Whole = filled.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        return found

    @cached_property
    def limbs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return low and high 64 bits of decimals, scaled to whole numbers; 0 where null."""
        array = self.array
        if not pa.types.is_decimal128(array.type):
            array = array.cast(pa.decimal128(38, self.kind.scale))
        if len(array) == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        begin = 2 * array.offset
        pairs = np.frombuffer(array.buffers()[1], dtype="<i8")[begin : begin + 2 * len(array)]
        low, high = np.ascontiguousarray(pairs[0::2]), np.ascontiguousarray(pairs[1::2])
        if array.null_count:
            # What stands under a null is arbitrary.
            low, high = low * self._present, high * self._present
        return low, high

    @cached_property
    def elements(self) -> Column:
        """Return all elements of all arrays as one column."""
        assert self.kind.element is not None
        return Column(self.array.values, self.kind.element)

    def some(self, passing: Bits) -> Bits:
        """Return which arrays have at least one element that is `passing`."""
        offsets = self.array.offsets.to_numpy(zero_copy_only=False)
        total = np.concatenate(([0], np.cumsum(passing)))
        found: Bits = (total[offsets[1:]] > total[offsets[:-1]]) & self._present
        return found


def one_array(chunked: Any) -> Any:
    """Return a chunked column as one array, its dictionaries unified."""
    if isinstance(chunked, pa.Array):
        return chunked
    if pa.types.is_dictionary(chunked.type) and chunked.num_chunks > 1:
        chunked = chunked.unify_dictionaries()
    joined = chunked.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):  # Arrow before 20 for an empty column
        return joined.chunk(0) if joined.num_chunks else pa.array([], chunked.type)
    return joined
