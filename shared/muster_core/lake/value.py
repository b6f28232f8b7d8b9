"""Counting every distinct value of a column in a snapshot, whatever their number up to a limit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from muster_core.errors import Conflict, NotFound
from muster_core.lake.exclusion import Erased
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL
from muster_core.lake.store import Store
from muster_core.security.erasure import ErasedCustomer

#: More distinct values than this are not listed.
MOST_LISTED = 1_000_000
#: So many rows' values are counted before they are merged with those before.
_CHUNK_VALUES = 2_000_000


@lru_cache(maxsize=4)
def count_values(
    lake: Lake,
    snapshot: str,
    sha256: str,
    table: str,
    column: str,
    erased: tuple[ErasedCustomer, ...] = (),
) -> Any:
    """Return an Arrow table of the distinct values that are set (``value``) and how many rows have each (``rows``).

    Of arrays every element counts. `table` is a name in the store. What is told of customers who were `erased`
    is left out. Snapshots never change, so what was counted
    is kept for a few columns.

    Raises:
        NotFound: the snapshot has no such table or column.
        Conflict: there are more than a million.
        StoreDamaged: a file of the snapshot cannot be read.
    """
    store = Store.open(lake, snapshot, sha256)
    counted: Any = None
    waiting: list[Any] = []
    size = 0
    for values in _chunks(store, table, column, Erased(erased)):
        waiting.append(_counted(values))
        size += waiting[-1].num_rows
        if size > _CHUNK_VALUES:
            counted = _merged([*([counted] if counted else []), *waiting])
            waiting, size = [], 0
    found = _merged([*([counted] if counted else []), *waiting])
    if found.num_rows > MOST_LISTED:
        raise Conflict(
            f"The column {column} of {table} has more than {MOST_LISTED:,} different values.",
            hint="`muster catalog statistics` tells how they are spread.",
        )
    return found


def _chunks(store: Store, table: str, column: str, erased: Erased) -> Iterator[Any]:
    """Yield the values of a column, of alive customers or live rows, in pieces."""
    manifest = store.manifest
    numbers = range(manifest.partitions)
    if table == manifest.catalog.profile.name and column in manifest.columns:
        for number in numbers:
            part = store.partition(number)
            if part.size:
                told = part.alive() & ~erased.mask(store, number)
                yield part.profile([column])[column].filter(pa.array(told))
        return
    if table in manifest.tables and column in manifest.tables[table].columns:
        for number in numbers:
            gone = pa.array(erased.ordinals(store, number), pa.int32())
            for batch in store.partition(number).rows(table, [column]):
                values = batch.column(batch.schema.get_field_index(column))
                if len(gone):
                    owners = batch.column(batch.schema.get_field_index(ORDINAL))
                    values = values.filter(pc.invert(pc.is_in(owners, value_set=gone)))
                yield values
        return
    if table in manifest.dimensions and column in manifest.dimensions[table].columns:
        yield store.partition(0).dimension(table, [column])[column]
        return
    raise NotFound(f"The prepared data has no column `{column}` of a table `{table}`.")


def _counted(values: Any) -> Any:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # several dictionaries do not combine
            values = values.unify_dictionaries().combine_chunks()
    if pa.types.is_list(values.type):
        values = values.flatten()
    found = pc.value_counts(values)
    plain = found.field("values")
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if pa.types.is_float64(plain.type):
        # NaN counts as not set
        plain = pc.if_else(pc.is_nan(plain), pa.scalar(None, plain.type), plain)
    elif pa.types.is_string(plain.type):
        plain = pc.if_else(pc.equal(plain, ""), pa.scalar(None, plain.type), plain)
    return pa.table({"value": plain, "rows": found.field("counts")}).drop_null()


def _merged(parts: list[Any]) -> Any:
    if not parts:
        return pa.table({"value": pa.array([], pa.string()), "rows": pa.array([], pa.int64())})
    whole = pa.concat_tables(parts)
    summed = whole.group_by("value").aggregate([("rows", "sum")])
    return summed.select(["value", "rows_sum"]).rename_columns(["value", "rows"])
