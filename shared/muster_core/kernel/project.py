"""Extra output columns of members: values of the profile, of its dimensions and of related rows.

Never changes who is a member. One partition at a time, one pass over each related table; what is held are the
values that go out. No Python code runs per customer or row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from muster_core.catalog.document import Catalog
from muster_core.catalog.path import path_to_profile
from muster_core.catalog.type import ColumnType, Kind
from muster_core.errors import InvalidInput
from muster_core.kernel.column import Column, one_array
from muster_core.kernel.row import RowView, source_column
from muster_core.kernel.source import Bits, Partition
from muster_core.lake.conversion import arrow_type
from muster_core.lake.manifest import ORDINAL
from muster_core.rules.document import ProjectColumn, SegmentDocument
from muster_core.rules.limit import DEFAULT_LIMITS
from muster_core.rules.literal import Frame
from muster_core.rules.note import Notes
from muster_core.rules.project import Projected, resolve_project
from muster_core.rules.resolution import ColumnTest, Group, Resolved
from muster_core.rules.row import RowResolver
from muster_core.rules.scope import ScopeColumn, Scopes
from muster_core.schedules.zone import read_zone

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The extra output columns of one segment at one evaluation time, in the order of its document."""

    columns: Mapping[str, Projected]
    #: Names of columns of related tables that have at most one row for a customer.
    single: frozenset[str]

    @classmethod
    def compile(cls, document: SegmentDocument, catalog: Catalog, as_of: datetime) -> Projection:
        """Read `document`'s extra columns against `catalog`.

        Raises:
            InvalidInput: they do not fit it, with every problem.
        """
        scopes = Scopes(catalog)
        zone = read_zone(document.timezone or catalog.timezone)
        frame = Frame(as_of=as_of, zone=zone, limits=DEFAULT_LIMITS)
        rows = RowResolver(frame=frame, notes=Notes(limits=DEFAULT_LIMITS))
        found = resolve_project(document.project, scopes, rows)
        if rows.notes.problems:
            raise InvalidInput(rows.notes.problems)
        single = {
            projected.name
            for node, projected in zip(document.project, found, strict=True)
            if projected.rows is not None and _at_most_one(node, catalog)
        }
        return cls(columns={p.name: p for p in found}, single=frozenset(single))

    def kind(self, name: str) -> ColumnType:
        """Return the type of a column as it is put out: an array where there may be several values."""
        projected = self.columns[name]
        if projected.rows is None or name in self.single:
            return projected.kind
        return ColumnType(kind=Kind.ARRAY, element=projected.kind)

    def tables(self, names: Iterable[str]) -> set[str]:
        """Return the prepared tables that computing these columns reads."""
        scopes = (self.columns[name].rows for name in names)
        return {scope.stored for scope in scopes if scope is not None}

    def dimensions(self, names: Iterable[str]) -> set[str]:
        """Return the dimensions that computing these columns looks into."""
        used = (column for name in names for column in _used(self.columns[name]))
        return {step.table for column in used for step in column.steps}

    def values(self, partition: Partition, chosen: Bits, names: Sequence[str]) -> dict[str, Any]:
        """Return these columns for the chosen customers of a partition, in ordinal order."""
        found = self._of_profile(partition, chosen, [n for n in names if not self._rows(n)])
        by_table: dict[str, list[str]] = defaultdict(list)
        for name in names:
            scope = self.columns[name].rows
            if scope is not None:
                by_table[scope.stored].append(name)
        for table, wanted in by_table.items():
            found |= self._of_rows(partition, chosen, table, wanted)
        return found

    def _rows(self, name: str) -> bool:
        return self.columns[name].rows is not None

    def _of_profile(
        self, partition: Partition, chosen: Bits, names: Sequence[str]
    ) -> dict[str, Any]:
        if not names:
            return {}
        sources = {source_column(self.columns[name].column) for name in names}
        stored = partition.profile(sorted(sources))
        mask = pa.array(chosen)
        kept = {name: one_array(values).filter(mask) for name, values in stored.items()}
        view = RowView(partition, kept, int(chosen.sum()))
        return {name: _plain(view.column(self.columns[name].column)) for name in names}

    def _of_rows(
        self, partition: Partition, chosen: Bits, table: str, names: Sequence[str]
    ) -> dict[str, Any]:
        """Gather the values of all columns of one table in one pass, newest first."""
        pieces: dict[str, list[tuple[Places, Any]]] = {name: [] for name in names}
        places = np.cumsum(chosen) - 1  # ordinal -> place among the chosen
        for view, ordinals in self._views(partition, chosen, table, names):
            for name in names:
                projected = self.columns[name]
                rows = np.flatnonzero(_visible(view, projected))
                if len(rows):
                    values = _plain(view.column(projected.column)).take(pa.array(rows))
                    pieces[name].append((places[ordinals[rows]], values))
        size = int(chosen.sum())
        return {name: self._gathered(name, pieces[name], size) for name in names}

    def _views(
        self, partition: Partition, chosen: Bits, table: str, names: Sequence[str]
    ) -> Iterator[tuple[RowView, Places]]:
        """Yield the chosen customers' rows chunk by chunk, with their ordinals."""
        used = [column for name in names for column in _used(self.columns[name])]
        stored = sorted({source_column(c) for c in used if c.start == "row"})
        of_profile = sorted({source_column(c) for c in used if c.start == "profile"})
        profile = {n: one_array(v) for n, v in partition.profile(of_profile).items()}
        for batch in partition.rows(table, stored):
            ordinals = _ordinals(batch)
            kept = np.flatnonzero(chosen[ordinals])
            if len(kept):
                rows = pa.array(kept)
                columns = {
                    n: batch.column(batch.schema.get_field_index(n)).take(rows) for n in stored
                }
                yield (
                    RowView(
                        partition,
                        columns,
                        len(kept),
                        profile=profile,
                        ordinals=ordinals[kept],
                    ),
                    ordinals[kept],
                )

    def _gathered(self, name: str, pieces: Sequence[tuple[Places, Any]], size: int) -> Any:
        kind = arrow_type(self.columns[name].kind)
        values = pa.concat_arrays([pa.array([], kind), *(values for _, values in pieces)])
        owners = np.concatenate([np.zeros(0, np.int64), *(owners for owners, _ in pieces)])
        if name in self.single:
            rows = np.full(size, -1, dtype=np.int64)
            rows[owners[::-1]] = np.arange(len(owners))[::-1]  # the newest one is set last
            return values.take(pa.array(rows, mask=rows < 0))
        order = np.argsort(owners, kind="stable")  # rows came newest first
        ends = np.cumsum(np.bincount(owners, minlength=size)).astype(np.int32)
        offsets = pa.array(np.concatenate([np.zeros(1, np.int32), ends]))
        return pa.ListArray.from_arrays(offsets, values.take(pa.array(order)))


def _at_most_one(node: ProjectColumn, catalog: Catalog) -> bool:
    assert node.table is not None
    path = path_to_profile(catalog, node.table, node.via or None)
    return all(step.kind == "one_to_one" for step in path)


def _ordinals(batch: Any) -> Places:
    column = batch.column(batch.schema.get_field_index(ORDINAL))
    found: Places = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _plain(column: Column) -> Any:
    return column.array.cast(arrow_type(column.kind))


def _visible(view: RowView, projected: Projected) -> Bits:
    """Return which rows were there at the evaluation time and pass the column's condition."""
    passed = view.passing(projected.where)
    if projected.high is None:
        return passed
    time = view.column(_time(projected))
    seen: Bits = passed & time.valid & (time.whole <= projected.high)
    return seen


def _time(projected: Projected) -> ScopeColumn:
    assert projected.rows is not None
    assert projected.rows.time is not None
    return projected.rows.find(projected.rows.time)


def _used(projected: Projected) -> list[ScopeColumn]:
    """Return every column that decides one output column."""
    time = [] if projected.high is None else [_time(projected)]
    return [projected.column, *time, *_tested(projected.where)]


def _tested(test: Resolved | None) -> Iterator[ScopeColumn]:
    if isinstance(test, Group):
        for part in test.of:
            yield from _tested(part)
    elif isinstance(test, ColumnTest):
        yield test.column
        if test.other is not None:
            yield test.other
