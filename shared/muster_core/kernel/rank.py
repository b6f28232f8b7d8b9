"""Ranking customers over all partitions: who is the last one that a rank takes.

Each partition sorts its own customers, best first, and puts them where single batches of them can be read
again. The first row of every batch says enough to read only the batches the last one may stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from muster_core.catalog.type import parse_type
from muster_core.kernel.budget import cut_ranks
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.extent import Extent
from muster_core.kernel.gather import Outside
from muster_core.kernel.node import Operand, Rank, RankColumn, Threshold
from muster_core.kernel.number import Numbers, sortable_words
from muster_core.kernel.plan import Plan
from muster_core.kernel.result import column_numbers
from muster_core.kernel.scan import scan_table
from muster_core.kernel.source import Bits, Partition

#: Rows of candidates read at once.
BATCH_ROWS = 4_096

_WORDS = ("high", "middle", "low")
_BY = [*_WORDS, "key"]
_TOTAL, _ROWS = b"total", b"rows"
_MASK = (1 << 64) - 1

#: The words of some customers, such that smaller ones rank better.
Words = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]

#: Reads one batch of candidates by partition, rank and number of the batch.
ReadBatch = Callable[[int, int, int], pa.RecordBatch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """A partition's customers that one rank may take, best first, and how many have a value at all."""

    total: int
    table: pa.Table

    def to_bytes(self) -> bytes:
        """Return them as an Arrow IPC file of which single batches can be read."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, self.table.schema) as writer:
            writer.write_table(self.table, max_chunksize=BATCH_ROWS)
        return bytes(sink.getvalue())

    def summary(self) -> bytes:
        """Return their number and the first row of each batch, for `find_thresholds`."""
        firsts = self.table.take(pa.array(np.arange(0, self.table.num_rows, BATCH_ROWS)))
        counts = {_TOTAL: str(self.total), _ROWS: str(self.table.num_rows)}
        firsts = firsts.replace_schema_metadata(counts)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, firsts.schema) as writer:
            writer.write_table(firsts)
        return bytes(sink.getvalue())


def batch_of(data: bytes, number: int) -> pa.RecordBatch:
    """Return one batch of what `Candidates.to_bytes` returned."""
    return pa.ipc.open_file(pa.BufferReader(data)).get_batch(number)


def rank_candidates(
    plan: Plan, partition: Partition, memory: int | None = None
) -> Iterator[tuple[int, Candidates]]:
    """Yield, for each rank of `plan` by its place, the customers of a partition that it may take.

    `memory` is as in `muster_core.kernel.budget`.
    """
    if not partition.size:
        nobody = Candidates(total=0, table=_table((), pa.array([], pa.string())))
        yield from ((place, nobody) for place in range(len(plan.ranks)))
        return
    alive = partition.alive()
    keys = one_array(partition.profile([plan.key])[plan.key])
    for place, numbers in _ranked(plan, partition, memory):
        yield place, _candidates(plan.ranks[place], numbers, alive, keys)


def _ranked(plan: Plan, partition: Partition, memory: int | None) -> Iterator[tuple[int, Numbers]]:
    """Yield the numbers each rank goes by; of related rows only those of one pass are held at a time."""
    outside = Outside(partition, plan.gathered)
    for place, rank in enumerate(plan.ranks):
        if isinstance(rank.by, RankColumn):
            yield place, column_numbers(_column(partition, outside, rank.by))
    for made in cut_ranks(plan, Extent.of(plan.tables, partition), memory):
        for name, folds in made.folds.items():
            results = scan_table(name, plan.tables[name], partition, folds)
            for place in made.decided:
                by = plan.ranks[place].by
                if isinstance(by, Operand) and by.table == name:
                    yield place, results[folds.index(by.fold)].numbers()
            del results


def _column(partition: Partition, outside: Outside, by: RankColumn) -> Column:
    if by.column not in outside:
        return Column(one_array(partition.profile([by.column])[by.column]), parse_type(by.kind))

    def row(name: str) -> Any:
        raise AssertionError(f"{name} is found from the profile, as everything ranked by is")

    return outside.gathered(by.column, outside.places(by.column, row, None))


def _candidates(rank: Rank, numbers: Numbers, alive: Bits, keys: Any) -> Candidates:
    rows = np.flatnonzero(alive & numbers.exists)
    total = len(rows)
    words = _oriented(rank, numbers, rows)
    if rank.limit is not None and rank.limit < total:
        kept = _best(words, rank.limit)
        rows, words = rows[kept], (words[0][kept], words[1][kept], words[2][kept])
    taken = keys.take(pa.array(rows))
    if pa.types.is_dictionary(taken.type):
        taken = taken.cast(pa.string())
    table = _table(words, taken)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in _BY])
    limit = total if rank.limit is None else rank.limit
    return Candidates(total=total, table=table.take(order.slice(0, limit)).combine_chunks())


def _table(words: Words | tuple[()], keys: Any) -> Any:
    high, middle, low = words or (np.zeros(0, np.int64), *[np.zeros(0, np.uint64)] * 2)
    arrays = [pa.array(high), pa.array(middle), pa.array(low), keys]
    return pa.table(arrays, names=_BY)


def _oriented(rank: Rank, numbers: Numbers, rows: NDArray[np.int64]) -> Words:
    high, middle, low = sortable_words(numbers, rows)
    return (~high, ~middle, ~low) if rank.descending else (high, middle, low)


def _best(words: Words, limit: int) -> NDArray[np.int64]:
    """Return the rows that are among the first `limit`, and all that tie with the last of them."""
    found: list[NDArray[np.int64]] = []
    rows = np.arange(len(words[0]))
    for word in words:
        values = word[rows]
        last = np.partition(values, limit - 1)[limit - 1]
        better = rows[values < last]
        found.append(better)
        rows = rows[values == last]
        limit -= len(better)
    return np.concatenate([*found, rows])


def find_thresholds(
    plan: Plan, summaries: Sequence[Sequence[bytes]], read_batch: ReadBatch
) -> tuple[Threshold, ...]:
    """Return the last customer each rank takes.

    Args:
        plan: the plan whose ranks they are.
        summaries: by partition, then by rank, what `Candidates.summary` returned.
        read_batch: reads a batch of candidates again; only few are asked for.
    """
    return tuple(
        _threshold(rank, place, [_Summary(part[place]) for part in summaries], read_batch)
        for place, rank in enumerate(plan.ranks)
    )


class _Summary:
    def __init__(self, data: bytes) -> None:
        self.firsts: Any = pa.ipc.open_stream(pa.BufferReader(data)).read_all()
        metadata = self.firsts.schema.metadata
        self.total = int(metadata[_TOTAL])
        self.rows = int(metadata[_ROWS])


def _threshold(
    rank: Rank, place: int, summaries: Sequence[_Summary], read_batch: ReadBatch
) -> Threshold:
    taken = _taken(rank, sum(summary.total for summary in summaries))
    if not taken:
        return Threshold(words=None, key=None)
    wanted, before = _straddling(summaries, taken)
    batches = [pa.Table.from_batches([read_batch(part, place, n)]) for part, n in wanted]
    table: Any = pa.concat_tables([batch.select(_BY) for batch in batches])
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in _BY])
    last = table.slice(order[taken - 1 - before].as_py(), 1).to_pylist()[0]
    high, middle, low = (last[name] for name in _WORDS)
    words = (~high, middle ^ _MASK, low ^ _MASK) if rank.descending else (high, middle, low)
    return Threshold(words=words, key=str(last["key"]))


def _taken(rank: Rank, total: int) -> int:
    if rank.limit is not None:
        return min(rank.limit, total)
    assert rank.percent is not None
    whole, digits = rank.percent
    share: int = total * whole // (100 * 10**digits)
    return share


def _straddling(summaries: Sequence[_Summary], taken: int) -> tuple[list[tuple[int, int]], int]:
    """Return the batches that may hold row `taken` of all, and how many rows come before these.

    At the first row of a batch, at least the batches complete before it come earlier, and at most those that
    have begun.
    """
    parts = [(n, s) for n, s in enumerate(summaries) if s.rows]
    owners = np.concatenate([np.full(s.firsts.num_rows, n) for n, s in parts])
    numbers = np.concatenate([np.arange(s.firsts.num_rows) for _, s in parts])
    rows = np.concatenate([np.full(s.firsts.num_rows, s.rows) for _, s in parts])
    sizes = np.minimum(rows - numbers * BATCH_ROWS, BATCH_ROWS)
    firsts: Any = pa.concat_tables([s.firsts.replace_schema_metadata() for _, s in parts])
    by = [(name, "ascending") for name in _BY]
    order = pc.sort_indices(firsts, sort_keys=by).to_numpy().astype(np.int64)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    most = np.cumsum(sizes[order]) - sizes[order]
    least = np.cumsum(np.where(numbers[order] > 0, BATCH_ROWS, 0))
    begin = int(np.searchsorted(most, taken - 1, side="right")) - 1
    end = int(np.searchsorted(least, taken, side="left"))
    following = np.append(position[1:], len(order))
    following[np.append(owners[1:] != owners[:-1], True)] = len(order)
    early = following <= begin
    read = np.flatnonzero(~early & (position < end))
    pairs = zip(owners[read].tolist(), numbers[read].tolist(), strict=True)
    return list(pairs), int(sizes[early].sum())


def thresholds_of(
    plan: Plan, partitions: Sequence[Partition], memory: int | None = None
) -> tuple[Threshold, ...]:
    """Return the thresholds of a plan whose partitions are all at hand."""
    job = plan.rank_plan()
    found = [dict(rank_candidates(job, partition, memory)) for partition in partitions]

    def read(part: int, place: int, number: int) -> pa.RecordBatch:
        return batch_of(found[part][place].to_bytes(), number)

    places = range(len(job.ranks))
    summaries = [[part[place].summary() for place in places] for part in found]
    return find_thresholds(job, summaries, read)


def within(rank: Rank, threshold: Threshold, numbers: Numbers, keys: Any) -> Bits:
    """Return the customers, alive or not, that stand at or before the last one a rank takes."""
    found = np.zeros(len(numbers.exists), dtype=np.bool_)
    if threshold.words is None or threshold.key is None:
        return found
    rows = np.flatnonzero(numbers.exists)
    tied = np.ones(len(rows), dtype=np.bool_)
    better = np.zeros(len(rows), dtype=np.bool_)
    for word, bound in zip(sortable_words(numbers, rows), threshold.words, strict=True):
        typed = word.dtype.type(bound)
        better |= tied & (word > typed if rank.descending else word < typed)
        tied &= word == typed
    at = np.flatnonzero(tied)
    if len(at):
        tying = keys.take(pa.array(rows[at]))
        if pa.types.is_dictionary(tying.type):
            tying = tying.cast(pa.string())
        last = pa.scalar(_key(threshold.key, tying.type), tying.type)
        better[at] = pc.less_equal(tying, last).to_numpy(zero_copy_only=False)
    found[rows] = better
    return found


def _key(text: str, kind: Any) -> str | int | Decimal | date:
    """Return a key as Python holds values of an Arrow type, from its canonical text."""
    if pa.types.is_integer(kind):
        return int(text)
    if pa.types.is_decimal(kind):
        return Decimal(text)
    return date.fromisoformat(text) if pa.types.is_date(kind) else text
