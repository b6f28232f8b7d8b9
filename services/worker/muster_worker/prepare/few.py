"""Preparing few rows of a related table in this process, by the tasks the engine would run.

What is written is the same to the byte: only who reads, joins and sorts differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.document import Catalog, Table
from muster_core.catalog.path import Path, tables_along
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SourceFile
from muster_core.lake.order import sortable
from muster_core.lake.source import Layout
from muster_worker.prepare.budget import Budget, BudgetSpent
from muster_worker.prepare.interchange import (
    BATCH_ROWS,
    FATE,
    FILE,
    KEY,
    ORDINARY,
    PARENT_UNKNOWN,
    PARTITION,
    PARTNER,
    ROW,
    WITHOUT_CUSTOMER,
    order_columns,
    position,
    travelling,
)
from muster_worker.prepare.parent import ParentRows, refuse_repeated_keys
from muster_worker.prepare.read import cut_units, reader_of, unit_table
from muster_worker.prepare.task.reading import ReadUnits, ReadWaiting, Waiting
from muster_worker.prepare.task.sending import place
from muster_worker.prepare.task.writing import WriteRows


@dataclass(frozen=True, slots=True, kw_only=True)
class FewRows:
    """One related table, of which few rows are to be written by `task`."""

    lake: Lake
    catalog: Catalog
    table: Table
    path: Path
    listing: Mapping[str, Sequence[SourceFile]]
    partitions: int
    #: (table, key column) known to repeat no key; what is found here is added.
    unique: set[tuple[str, str]]
    #: The files of tables on the way among which no key is repeated.
    looked_at: Mapping[str, Sequence[SourceFile]]
    task: WriteRows

    def write(
        self, added: Sequence[SourceFile], layout: Layout, waiting: Waiting
    ) -> list[dict[str, Any]] | None:
        """Write the rows of the files `added` and those that wait; return the task's answers.

        None: it turned out to be more than this process takes on, and nothing was written.

        Raises:
            DuplicateKeys: a table along the path repeats a key that rows refer to.
        """
        budget = Budget()
        try:
            rows = self._joined(self._read(added, layout, waiting, budget), budget)
        except BudgetSpent:
            return None
        ordered = _ordered(rows, self.table, self.partitions)
        return [
            json.loads(answer.column("result")[0].as_py())
            for part in _parts(ordered)
            for answer in self.task(part.to_batches(max_chunksize=BATCH_ROWS))
        ]

    def _read(
        self, added: Sequence[SourceFile], layout: Layout, waiting: Waiting, budget: Budget
    ) -> Any:
        table, keys = self.table, (self.path[0].child[1],)
        reader = reader_of(table)
        found = []
        units = unit_table(cut_units(added, layout), 1).to_batches()
        for batch in ReadUnits(reader=reader, keys=keys, start=0)(units):
            budget.hold(batch.nbytes)
            found.append(batch)
        if waiting.files:
            read = ReadWaiting(lake=self.lake, waiting=waiting, columns=table.columns, keys=keys)
            for batch in read([pa.RecordBatch.from_pydict({"id": range(len(waiting.files))})]):
                budget.hold(batch.nbytes)
                found.append(batch)
        return pa.Table.from_batches(found, travelling(list(table.columns.values()), keys=1))

    def _joined(self, rows: Any, budget: Budget) -> Any:
        """Carry the columns of every table along the path, as `muster_worker.prepare.table` does."""
        columns = {name: rows.column(name) for name in rows.schema.names if name != "j0"}
        reference = partner = rows.column("j0")
        fate = pa.chunked_array([pa.array(np.full(rows.num_rows, ORDINARY, dtype=np.int32))])
        carried = len(self.table.columns)
        for hop, parent in enumerate(tables_along(self.catalog, self.path)):
            found = self._parents(hop, parent, reference, carried, budget)
            place = pc.index_in(
                reference, value_set=found.column("j0").combine_chunks(), skip_nulls=True
            )
            for index in range(carried, carried + len(parent.columns)):
                columns[position(index)] = found.column(position(index)).take(place)
            lost = pc.and_(reference.is_valid(), place.is_null())
            partner = pc.if_else(pc.equal(fate, PARENT_UNKNOWN), partner, reference)
            fate = pc.if_else(lost, pa.scalar(PARENT_UNKNOWN, pa.int32()), fate)
            reference = found.column("j1").take(place)
            carried += len(parent.columns)
        known = pc.equal(fate, ORDINARY)
        missing = pc.and_(known, reference.is_null())
        columns[KEY] = pc.if_else(known, reference, pa.scalar(None, pa.string()))
        columns[FATE] = pc.if_else(missing, pa.scalar(WITHOUT_CUSTOMER, pa.int32()), fate)
        columns[PARTNER] = pc.coalesce(reference, partner)
        return pa.table(columns)

    def _parents(
        self, hop: int, parent: Table, reference: Any, carried: int, budget: Budget
    ) -> Any:
        target, onward = self.path[hop].parent[1], self.path[hop + 1].child[1]
        parents = ParentRows(
            table=parent,
            key=target,
            files=self.listing[parent.name],
            known=self.looked_at.get(parent.name, []),
            budget=budget,
        )
        if (parent.name, target) not in self.unique:
            refuse_repeated_keys(parent.name, target, parents.repeated())
            self.unique.add((parent.name, target))
        wanted = pc.unique(reference.drop_null())
        return parents.rows(wanted, onward, start=carried)


def _ordered(rows: Any, table: Table, partitions: int) -> Any:
    """Return the rows by partition, in each in the exact reverse of time, row key, file and row."""
    order = [sortable(rows.column(name)) for name in order_columns(table)]
    order += [rows.column(FILE), rows.column(ROW)]
    keys = {f"k{i}": column for i, column in enumerate(order)}
    by = [(PARTITION, "ascending"), *((name, "descending") for name in keys)]
    partition = pa.array(place(rows, partitions).astype(np.int32))
    places = pc.sort_indices(pa.table({PARTITION: partition, **keys}), sort_keys=by)  # nulls last
    whole = rows.drop_columns([PARTNER]).append_column(PARTITION, partition)
    return whole.take(places).combine_chunks()


def _parts(rows: Any) -> Iterator[Any]:
    """Yield the rows of each partition that has some."""
    if not rows.num_rows:
        return
    numbers = rows.column(PARTITION).to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield rows.slice(start, end - start)
