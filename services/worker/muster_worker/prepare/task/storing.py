"""The task that writes dimensions: whole tables, each one file in the order of its key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.type import parse_type
from muster_core.lake.conversion import arrow_type
from muster_core.lake.dead import DeadRows
from muster_core.lake.key import key_text
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SourceFile
from muster_core.lake.source import SourceReader
from muster_worker.prepare.task.counting import TableCount
from muster_worker.prepare.writer import StoreWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWhole:
    """One table to be stored whole; `keys` are the columns that are referred to."""

    table: str
    reader: SourceReader
    keys: tuple[str, ...]
    files: tuple[SourceFile, ...]
    personal: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDimensions:
    """The task: numbers of tables in, a file each out. A dimension has to fit into a task's memory."""

    lake: Lake
    directory: str
    tables: tuple[StoredWhole, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer per table."""
        for batch in batches:
            for number in batch.column("id").to_pylist():
                answer = {"number": number, **self._store(self.tables[number])}
                yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _store(self, entry: StoredWhole) -> dict[str, Any]:
        rows = _read(entry)
        keyed = np.zeros(rows.num_rows, dtype=np.bool_)
        duplicates = {}
        for name in entry.keys:
            texts = key_text(rows.column(name))
            keyed |= texts.is_valid().to_numpy()
            duplicates[name] = len(texts) - texts.null_count - pc.count_distinct(texts).as_py()
        answer = {
            "duplicates": {name: count for name, count in duplicates.items() if count},
            "rows": rows.num_rows,
            "without_key": int(np.count_nonzero(~keyed)),
            "file": None,
            "columns": None,
        }
        if answer["duplicates"]:
            return answer
        rows = rows.filter(pa.array(keyed))
        rows = rows.take(pc.sort_indices(rows.column(entry.keys[0])))
        count = TableCount(entry.reader.columns, entry.personal)
        count.add(rows)
        with StoreWriter(self.lake, self.directory, 0, rows.schema) as writer:
            writer.write(rows)
            file = writer.close(even_empty=True)
        assert file is not None
        return answer | {"file": file.model_dump(), "columns": count.result()}


def _read(entry: StoredWhole) -> Any:
    columns = entry.reader.columns
    schema = pa.schema([(name, arrow_type(parse_type(text))) for name, text in columns.items()])
    batches = []
    for file in entry.files:
        first, dead = 0, DeadRows(file.dead)
        for batch in entry.reader.read(file.path):
            batches.append(dead.living(batch, first))
            first += batch.num_rows
    return pa.Table.from_batches(batches, schema)
