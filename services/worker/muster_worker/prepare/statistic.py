"""Bringing together what the tasks of a preparation counted, and what the snapshot before it knew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muster_core.catalog.quantile import Sketch, without
from muster_core.catalog.quantile import merged as merged_sketch
from muster_core.catalog.statistic import MOST_VALUES, ColumnStatistic, TableStatistic
from muster_core.catalog.type import parse_type
from muster_worker.prepare.task.counting import MOST_BYTES, TableCount, listed_bytes

#: The statistics of some columns as a task returns them: fields of `ColumnStatistic` by column.
Counted = dict[str, Any]


def merged(
    columns: Mapping[str, str], parts: Sequence[Counted], personal: Iterable[str]
) -> TableStatistic:
    """Return the statistics of a table from those of its parts, which hold different rows."""
    empty = TableCount(columns, personal).result()
    found = {}
    for name, start in empty.items():
        kept = start["values"] is not None
        pieces = [ColumnStatistic(**start), *(ColumnStatistic(**part[name]) for part in parts)]
        found[name] = _column(pieces, kept)
    return TableStatistic(columns=found)


def reduced(
    columns: Mapping[str, str],
    known: TableStatistic,
    gone: Sequence[Counted],
    more: Sequence[Counted],
    personal: Iterable[str],
) -> TableStatistic | None:
    """Return the statistics of a table without the rows of `gone` and with those of `more`.

    A list of values that was given up stays so, and a sketch as coarse as it was, although without the rows
    they may have become small enough.
    None: an end of a range has gone with the rows, so that only counting again tells the next.
    """
    hidden_columns = frozenset(personal)
    less, plus = (merged(columns, parts, hidden_columns) for parts in (gone, more))
    rest = {name: _without(column, less.columns[name]) for name, column in known.columns.items()}
    counted = {name: column.model_dump() for name, column in rest.items()}
    whole = merged(columns, [counted, *more], hidden_columns)
    found = {}
    for name, column in whole.columns.items():
        sure = _with_range(column, known.columns[name], less.columns[name], plus.columns[name])
        if sure is None:
            return None
        found[name] = sure
    return TableStatistic(columns=found)


def _without(known: ColumnStatistic, less: ColumnStatistic) -> ColumnStatistic:
    values = known.values
    if values is not None:
        gone = less.values or {}
        left = {value: count - gone.get(value, 0) for value, count in values.items()}
        values = {value: count for value, count in left.items() if count}
    rows, nulls = known.rows - less.rows, known.nulls - less.nulls
    spread = known.spread and without(known.spread, less.spread)
    update = {"rows": rows, "nulls": nulls, "values": values, "spread": spread}
    if rows == nulls:
        update |= {"minimum": None, "maximum": None}
    return known.model_copy(update=update)


def _with_range(
    whole: ColumnStatistic, known: ColumnStatistic, less: ColumnStatistic, plus: ColumnStatistic
) -> ColumnStatistic | None:
    """Return `whole` with the ends of its range as they are; None where an end went and the list is not kept."""
    low_went = less.minimum is not None and less.minimum == known.minimum
    high_went = less.maximum is not None and less.maximum == known.maximum
    low_back = (
        plus.minimum is not None and less.minimum is not None and plus.minimum <= less.minimum
    )
    high_back = (
        plus.maximum is not None and less.maximum is not None and plus.maximum >= less.maximum
    )
    if whole.rows == whole.nulls or ((low_back or not low_went) and (high_back or not high_went)):
        return whole
    if whole.values is None:
        return None
    values = [int(value) for value in whole.values]
    return whole.model_copy(update={"minimum": min(values), "maximum": max(values)})


def _column(pieces: Sequence[ColumnStatistic], kept: bool) -> ColumnStatistic:
    lows = [p.minimum for p in pieces if p.minimum is not None]
    highs = [p.maximum for p in pieces if p.maximum is not None]
    return ColumnStatistic(
        kind=pieces[0].kind,
        rows=sum(p.rows for p in pieces),
        nulls=sum(p.nulls for p in pieces),
        minimum=min(lows, default=None),
        maximum=max(highs, default=None),
        values=_values(pieces) if kept else None,
        spread=_spread(pieces),
    )


def _spread(pieces: Sequence[ColumnStatistic]) -> Sketch | None:
    found = [piece for piece in pieces if piece.rows > piece.nulls]
    sketches = [piece.spread for piece in found if piece.spread is not None]
    # a part counted by a release without it leaves the whole unknown
    return merged_sketch(sketches) if len(sketches) == len(found) else None


def _values(pieces: Sequence[ColumnStatistic]) -> dict[str, int] | None:
    values: dict[str, int] = {}
    for piece in pieces:
        if piece.values is None:
            return None
        for value, count in piece.values.items():
            values[value] = values.get(value, 0) + count
        if len(values) > MOST_VALUES:
            return None
    # as a single count would have decided: what is kept must not depend on how the rows were divided
    if listed_bytes(values, parse_type(pieces[0].kind)) > MOST_BYTES:
        return None
    return dict(sorted(values.items()))


def hidden(known: TableStatistic, personal: Iterable[str]) -> TableStatistic:
    """Return statistics without the values of columns that have become personal since they were made."""
    nothing = {"minimum": None, "maximum": None, "values": None, "spread": None}
    now = frozenset(personal)
    return TableStatistic(
        columns={
            name: column.model_copy(update=nothing) if name in now else column
            for name, column in known.columns.items()
        }
    )
