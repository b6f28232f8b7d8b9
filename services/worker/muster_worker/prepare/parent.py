"""Finding, without the engine, the rows that few others refer to: only row groups that may hold them are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.document import Table
from muster_core.catalog.type import parse_type
from muster_core.errors import DuplicateKeys
from muster_core.lake.bound import GroupRun, KeyBounds
from muster_core.lake.manifest import SourceFile
from muster_worker.prepare.budget import Budget
from muster_worker.prepare.interchange import FILE, ROW, travelling
from muster_worker.prepare.number import identity
from muster_worker.prepare.read import added_layout, cut_units, reader_of, unit_table
from muster_worker.prepare.task.reading import ReadUnits


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRows:
    """The rows of one table on the way, found by its column `key`.

    Of its `files` those in `known` were there before: none of their keys is repeated among them.
    """

    table: Table
    key: str
    files: Sequence[SourceFile]
    known: Sequence[SourceFile]
    budget: Budget

    def repeated(self) -> int:
        """Return how many rows repeat the key of another.

        Raises:
            BudgetSpent: too many rows would have to be looked at.
            SourceUnreadable: the table no longer has the catalog's columns.
        """
        before = {identity(file) for file in self.known}
        fresh = [file for file in self.files if identity(file) not in before]
        layout = added_layout(self.table, fresh, self.files)
        if not layout.rows:
            return 0
        self.budget.look_at(layout.rows)
        batches = self._keys(unit_table(cut_units(fresh, layout), 1))
        texts = [pa.array([], pa.string())]
        for batch in batches:
            texts.append(batch.column("j0"))
            self.budget.hold(texts[-1].nbytes)
        counted = pc.value_counts(pa.chunked_array(texts).drop_null())
        keys = counted.field("values")
        among = int(pc.sum(counted.field("counts")).as_py() or 0) - len(keys)
        rest = [file for file in self.files if identity(file) in before]
        runs = self._runs(rest, keys)
        against = sum(int(b.num_rows) for b in self._matches(runs, keys))
        return among + against

    def rows(self, wanted: Any, onward: str, *, start: int) -> Any:
        """Return the rows whose key is in the texts `wanted`: keys ``j0``, ``j1`` of `onward`, columns.

        The columns are numbered from `start`, as `muster_worker.prepare.read.read_frame` does.

        Raises:
            BudgetSpent: too many rows would have to be looked at, or they are too large.
        """
        runs = self._runs(self.files, wanted)
        places = [
            pa.table({FILE: b.column(FILE), ROW: b.column(ROW)})
            for b in self._matches(runs, wanted)
        ]
        chosen = list(_holding(runs, pa.concat_tables(places))) if places else []
        read = ReadUnits(reader=reader_of(self.table), keys=(self.key, onward), start=start)
        found = []
        for batch in read(unit_table(chosen, 1).to_batches()):
            kept = batch.filter(pc.is_in(batch.column("j0"), value_set=wanted))
            self.budget.hold(kept.nbytes)
            found.append(kept)
        schema = travelling(list(self.table.columns.values()), keys=2, start=start)
        return pa.Table.from_batches(found, schema).drop_columns([FILE, ROW])

    def _runs(self, files: Sequence[SourceFile], keys: Any) -> list[GroupRun]:
        bounds = KeyBounds(self.key, parse_type(self.table.columns[self.key]), keys.to_pylist())
        runs = list(bounds.runs(files))
        self.budget.look_at(sum(run.rows for run in runs))
        return runs

    def _matches(self, runs: Sequence[GroupRun], keys: Any) -> Iterator[Any]:
        """Yield the keys, files and rows of those that are in the texts `keys`."""
        for batch in self._keys(unit_table([_unit(run) for run in runs], 1)):
            kept = batch.filter(pc.is_in(batch.column("j0"), value_set=keys))
            if kept.num_rows:
                yield kept

    def _keys(self, units: Any) -> Iterator[Any]:
        return ReadUnits(reader=reader_of(self.table, [self.key]), keys=(self.key,), start=0)(
            units.to_batches()
        )


def _unit(run: GroupRun) -> tuple[SourceFile, list[int], int]:
    return run.file, list(run.groups), run.first


def _holding(runs: Sequence[GroupRun], places: Any) -> Iterator[tuple[SourceFile, list[int], int]]:
    """Yield, one by one, the row groups of `runs` that hold one of the rows at `places`."""
    numbers, rows = places.column(FILE).to_numpy(), places.column(ROW).to_numpy()
    for run in runs:
        ends = run.first + np.cumsum(run.sizes)
        inside = (numbers == run.file.number) & (rows >= run.first) & (rows < ends[-1])
        for at in np.unique(np.searchsorted(ends, rows[inside], side="right")).tolist():
            yield run.file, [run.groups[at]], int(ends[at]) - run.sizes[at]


def refuse_repeated_keys(table: str, column: str, repeated: int) -> None:
    """Refuse a table in which rows repeat a key that other rows refer to.

    Raises:
        DuplicateKeys: they do.
    """
    if repeated:
        raise DuplicateKeys(
            f"{repeated:,} rows of {table} repeat a key ({column}) that other tables refer to.",
            hint="Remove the repeated rows from the source.",
        )
