"""What differs between the members a destination holds and those of the version it gets, partition by partition.

Customers have the same place in every snapshot of a generation, so two versions are compared bit by bit, and the
columns of those who stay value by value. Rows that the destination did not take are offered again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.exports.cell import plain_text
from muster_core.exports.claim import Operation, Refused
from muster_core.lake.exclusion import Erased
from muster_core.lake.members import MemberList

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some customers of one partition, in ordinal order: their columns, places, and what becomes of them."""

    table: Any
    ordinals: NDArray[np.int64]
    operations: list[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The way from the version a destination holds, `before`, to another one, `now`."""

    now: MemberList
    before: MemberList
    #: The columns that are delivered; the customer key is the first one.
    columns: Sequence[str]
    refused: Mapping[int, Sequence[Refused]]
    #: Whether those who left are told.
    removals: bool
    #: Who was erased: what was refused of them is told no more.
    erased: Erased

    def partition(self, number: int) -> Rows:
        """Return what becomes of the customers of one partition."""
        now = self.now.bits(number)
        before = _padded(self.before.bits(number), len(now))
        again = np.zeros(len(now), dtype=np.bool_)
        refused = self.refused.get(number, ())
        gone = set(self.erased.ordinals(self.now.store, number).tolist()) if refused else set()
        for row in (row for row in refused if row.ordinal not in gone):
            # what was refused as an addition is not there; what was to be changed or removed is as it was
            before[row.ordinal] = row.operation is not Operation.ADD
            again[row.ordinal] = row.operation is not Operation.ADD
        stay = now & before
        changed = self._changed(number, stay) | (stay & again)
        added, removed = now & ~before, before & ~now & self.removals
        return self._gather(number, added, changed, removed)

    def _changed(self, number: int, stay: Bits) -> Bits:
        """Return who of those who stay has another value in a delivered column."""
        changed = np.zeros(len(stay), dtype=np.bool_)
        columns = [name for name in self.columns[1:] if not self._same_file(number, name)]
        if not columns or not stay.any():
            return changed
        known = stay[: self.before.store.partition(number).size]
        now = self.now.rows(number, stay, columns)
        before = self.before.rows(number, known, columns)
        differs = np.zeros(now.num_rows, dtype=np.bool_)
        for name in columns:
            differs |= unequal(now.column(name), before.column(name))
        changed[np.flatnonzero(stay)] = differs
        return changed

    def _same_file(self, number: int, column: str) -> bool:
        """Whether both versions read a column of the profile from the very same file."""
        if column in self.now.extra or column in self.before.extra:
            return False
        now, before = (
            [f.sha256 for f in members.store.manifest.profile if f.partition == number]
            for members in (self.now, self.before)
        )
        return now == before

    def _gather(self, number: int, added: Bits, changed: Bits, removed: Bits) -> Rows:
        kept = self.now.rows(number, added | changed, self.columns)
        known = removed[: self.before.store.partition(number).size]
        keys = self.before.rows(number, known, self.columns[:1])
        gone = pa.table(
            [keys.column(0), *(pa.nulls(keys.num_rows, f.type) for f in list(kept.schema)[1:])],
            schema=kept.schema,
        )
        ordinals = np.concatenate([np.flatnonzero(added | changed), np.flatnonzero(known)])
        order = np.argsort(ordinals, kind="stable")
        kinds = [
            *(Operation.ADD if added[o] else Operation.UPDATE for o in ordinals[: kept.num_rows]),
            *(Operation.REMOVE for _ in range(keys.num_rows)),
        ]
        return Rows(
            table=pa.concat_tables([kept, gone]).take(pa.array(order)),
            ordinals=ordinals[order].astype(np.int64),
            operations=[kinds[place] for place in order],
        )


def unequal(one: Any, other: Any) -> Bits:
    """Return where two Arrow columns of one type differ; missing equals missing, and NaN equals NaN."""
    one, other = one.combine_chunks(), other.combine_chunks()
    if pa.types.is_list(one.type) or pa.types.is_large_list(one.type):
        one, other = plain_text(one), plain_text(other)
    differs = pc.fill_null(pc.not_equal(one, other), False)
    if pa.types.is_floating(one.type):
        neither = pc.fill_null(pc.and_(pc.is_nan(one), pc.is_nan(other)), False)
        differs = pc.and_not(differs, neither)
    missing = pc.xor(pc.is_null(one), pc.is_null(other))
    found: Bits = pc.or_(differs, missing).to_numpy(zero_copy_only=False)
    return found


def _padded(bits: Bits, size: int) -> Bits:
    """Return a copy with `size` bits: customers that came later were in no earlier version."""
    found = np.zeros(max(size, len(bits)), dtype=np.bool_)
    found[: len(bits)] = bits
    return found[:size]
