"""Which stored rows are gone and which extracted rows are new, found by hashes in bounded memory.

The stored and the extracted rows are compared as multisets, a slice of the hash space at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from muster_core.errors import DuplicateKeys
from muster_core.extract.manifest import PartFile
from muster_core.lake.dead import Rows
from muster_core.lake.location import Lake
from muster_worker.extract.index import Entries, join, open_index
from muster_worker.extract.part import StagedFile

#: Entries compared at once.
SLICE_ENTRIES = 1_000_000

Numbers = NDArray[np.int64]
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class Difference:
    """What an extraction changes."""

    #: Rows that died, by number of the stored file.
    dead: dict[int, Rows] = field(default_factory=dict)
    #: Rows to add, by place of the staged file.
    fresh: dict[int, Rows] = field(default_factory=dict)
    #: Stored rows that now lie in another piece, by file number: positions and pieces.
    moved: dict[int, tuple[Rows, Rows]] = field(default_factory=dict)
    #: Pieces in which rows died.
    touched: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The files of both sides; `dead` are the stored rows that died before."""

    lake: Lake
    stored: Sequence[PartFile]
    dead: Mapping[int, Rows]
    staged: Sequence[StagedFile]

    def whole(self, kept: Collection[int], *, table: str, check_keys: bool) -> Difference:
        """Compare with an extraction of everything but the pieces `kept`, whose stored rows stay.

        Raises:
            DuplicateKeys: `check_keys` is set and rows share a key; only their number is told.
        """
        found = _Collected()
        repeated = 0
        total = sum(f.rows for f in self.stored) + sum(f.rows for f in self.staged)
        bits = max(0, (max(total, 1) - 1) // SLICE_ENTRIES).bit_length()
        pieces = np.array(sorted(kept), dtype=np.uint32)
        for number in range(1 << bits):
            old, old_file = self._slice([f.index for f in self.stored], number, bits)
            alive = self._alive(old, old_file)
            stays = alive & np.isin(old.piece, pieces)
            new, new_file = self._slice([f.index for f in self.staged], number, bits)
            if check_keys:
                repeated += _repeated(join([old.take(stays), new]))
            there = alive & ~stays
            found.add(old.take(there), old_file[there], new, new_file)
        if repeated:
            raise DuplicateKeys(
                f"{repeated:,} rows of the source of {table} repeat the key of another.",
                hint="Name columns that tell its rows apart as key of the source.",
            )
        return found.difference([f.number for f in self.stored])

    def changed(self, *, table: str) -> Difference:
        """Compare with an extraction of new and changed rows: only their older versions die.

        Raises:
            DuplicateKeys: rows of the extraction share a key.
        """
        parts, files = [], []
        for place, file in enumerate(self.staged):
            with open_index(self.lake, file.index) as index:
                parts.append(index.take(slice(None)))
            files.append(np.full(file.rows, place, dtype=np.int64))
        new, new_file = join(parts), np.concatenate([_NONE, *files])
        if repeated := _repeated(new):
            raise DuplicateKeys(
                f"{repeated:,} new rows of the source of {table} repeat the key of another.",
                hint="Name columns that tell its rows apart as key of the source.",
            )
        order = np.argsort(new.key, kind="stable")
        new, new_file = new.take(order), new_file[order]
        fresh = np.ones(len(new), dtype=np.bool_)
        difference = Difference()
        for stored in self.stored:
            with open_index(self.lake, stored.index) as index:
                mine, theirs = _pairs(index, new)
                old = index.take(mine)
            live = ~np.isin(old.row, self.dead.get(stored.number, _NONE))
            live &= old.more == new.more[theirs]
            same = live & (old.content == new.content[theirs])
            fresh[theirs[same]] = False
            gone = live & ~same
            if gone.any():
                difference.dead[stored.number] = np.sort(old.row[gone].astype(np.int64))
                difference.touched.update(old.piece[gone].tolist())
        difference.fresh = _by_file(new_file[fresh], new.row[fresh].astype(np.int64))
        return difference

    def _slice(self, indexes: Sequence[str], number: int, bits: int) -> tuple[Entries, Numbers]:
        """Return the entries whose key begins with the `bits` of `number`, and the place of their file."""
        parts, files = [], []
        for place, path in enumerate(indexes):
            with open_index(self.lake, path) as index:
                start, end = 0, len(index)
                if bits:
                    low = np.uint64(number << (64 - bits))
                    start = int(np.searchsorted(index.key, low))
                    if number + 1 < 1 << bits:
                        high = np.uint64((number + 1) << (64 - bits))
                        end = int(np.searchsorted(index.key, high))
                parts.append(index.take(slice(start, end)))
            files.append(np.full(end - start, place, dtype=np.int64))
        return join(parts), np.concatenate([_NONE, *files])

    def _alive(self, old: Entries, file: Numbers) -> NDArray[np.bool_]:
        alive = np.ones(len(old), dtype=np.bool_)
        for place, stored in enumerate(self.stored):
            dead = self.dead.get(stored.number, _NONE)
            if len(dead):
                mine = np.flatnonzero(file == place)
                alive[mine] = ~np.isin(old.row[mine], dead)
        return alive


class _Collected:
    """The differences of all slices."""

    def __init__(self) -> None:
        self._dead: list[tuple[Numbers, Numbers]] = []
        self._fresh: list[tuple[Numbers, Numbers]] = []
        self._moved: list[tuple[Numbers, Numbers, Numbers]] = []
        self._touched: set[int] = set()

    def add(self, old: Entries, old_file: Numbers, new: Entries, new_file: Numbers) -> None:
        """Match equal rows one to one; what has no partner is dead or fresh."""
        mine, theirs = _order(old), _order(new)
        gone, come, twins = _match(old.take(mine), new.take(theirs))
        dead, fresh = mine[gone], theirs[come]
        self._dead.append((old_file[dead], old.row[dead].astype(np.int64)))
        self._fresh.append((new_file[fresh], new.row[fresh].astype(np.int64)))
        self._touched.update(np.unique(old.piece[dead]).tolist())
        left, right = mine[twins[0]], theirs[twins[1]]
        moved = old.piece[left] != new.piece[right]
        left, right = left[moved], right[moved]
        self._moved.append(
            (old_file[left], old.row[left].astype(np.int64), new.piece[right].astype(np.int64))
        )

    def difference(self, numbers: Sequence[int]) -> Difference:
        dead = _by_file(*(np.concatenate(parts) for parts in zip(*self._dead, strict=True)))
        fresh = _by_file(*(np.concatenate(parts) for parts in zip(*self._fresh, strict=True)))
        file, row, piece = (np.concatenate(parts) for parts in zip(*self._moved, strict=True))
        return Difference(
            dead={numbers[place]: rows for place, rows in dead.items()},
            fresh=fresh,
            moved={
                numbers[place]: (row[file == place], piece[file == place])
                for place in np.unique(file).tolist()
            },
            touched=self._touched,
        )


def _order(entries: Entries) -> Numbers:
    return np.lexsort((entries.content, entries.more, entries.key))


def _match(
    old: Entries, new: Entries
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], tuple[Numbers, Numbers]]:
    """Return who of two sorted multisets has no partner, and the pairs."""
    both = join([old, new])
    order = np.lexsort((np.arange(len(both)), both.content, both.more, both.key))
    sorted_ = both.take(order)
    begins = np.ones(len(both), dtype=np.bool_)
    begins[1:] = (
        (sorted_.key[1:] != sorted_.key[:-1])
        | (sorted_.more[1:] != sorted_.more[:-1])
        | (sorted_.content[1:] != sorted_.content[:-1])
    )
    group = np.empty(len(both), dtype=np.int64)
    group[order] = np.cumsum(begins) - 1
    left, right = group[: len(old)], group[len(old) :]
    left_rank, left_count = _ranks(left, len(both))
    right_rank, right_count = _ranks(right, len(both))
    gone = left_rank >= right_count[left]
    come = right_rank >= left_count[right]
    # both sides are sorted alike, so the partners stand in the same order
    return gone, come, (np.flatnonzero(~gone), np.flatnonzero(~come))


def _ranks(group: Numbers, groups: int) -> tuple[Numbers, Numbers]:
    """Return each entry's place within its group and the size of every group; groups ascend."""
    count = np.bincount(group, minlength=groups + 1)
    start = np.cumsum(count) - count
    return np.arange(len(group)) - start[group], count


def _pairs(index: Entries, new: Entries) -> tuple[Numbers, Numbers]:
    """Return the positions of equal keys in an index and in sorted entries."""
    low = np.searchsorted(index.key, new.key, "left")
    count = np.searchsorted(index.key, new.key, "right") - low
    theirs = np.repeat(np.arange(len(new)), count)
    within = np.arange(len(theirs)) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(low, count) + within, theirs


def _repeated(entries: Entries) -> int:
    """Return how many entries repeat the key of another."""
    order = np.lexsort((entries.more, entries.key))
    key, more = entries.key[order], entries.more[order]
    return int(np.count_nonzero((key[1:] == key[:-1]) & (more[1:] == more[:-1])))


def _by_file(file: Numbers, row: Numbers) -> dict[int, Rows]:
    return {place: np.sort(row[file == place]) for place in np.unique(file).tolist()}
