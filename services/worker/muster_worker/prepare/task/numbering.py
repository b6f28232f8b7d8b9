"""The task that numbers the customers of one partition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muster_core.catalog.type import parse_type
from muster_core.lake.conversion import arrow_type
from muster_core.lake.key import key_text
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ALIVE, KEY_HASH, StoreFile
from muster_worker.prepare.interchange import HASH, KEY, PARTITION, ROW, position, unpack
from muster_worker.prepare.keyfile import read_columns
from muster_worker.prepare.task.counting import TableCount
from muster_worker.prepare.writer import StoreWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCustomers:
    """The task of one partition: at most some 250,000 customers, held as Arrow columns."""

    lake: Lake
    directory: str
    columns: dict[str, str]
    key: str
    before: dict[int, StoreFile] = field(default_factory=dict)
    personal: frozenset[str] = frozenset()

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer: the file, the key range and what is wrong with the keys."""
        table: Any = pa.Table.from_batches(batches).combine_chunks()
        if not table.num_rows:
            return
        partition = table.column(PARTITION)[0].as_py()
        source = table.filter(table.column(ROW).is_valid())
        answer = self._number(partition, source)
        yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _number(self, partition: int, rows: Any) -> dict[str, Any]:
        nulls = rows.column(KEY).null_count
        repeated = len(rows) - nulls - pc.count_distinct(rows.column(KEY)).as_py()
        keys = {"partition": partition, "ordinals": 0, "alive": 0}
        answer = {"duplicates": repeated, "nulls": nulls, "added": 0, "keys": keys}
        answer |= {"file": None, "columns": None}
        if repeated or nulls:
            return answer
        old = self._known(partition)
        known = key_text(old.column(self.key)).combine_chunks()
        place = pc.index_in(rows.column(KEY), known).combine_chunks()
        fresh = place.is_null().to_numpy(zero_copy_only=False)
        ordinals = place.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        ordinals[fresh] = len(known) + np.arange(np.count_nonzero(fresh))
        size = len(known) + int(np.count_nonzero(fresh))
        row_of = np.full(size, -1, dtype=np.int64)
        row_of[ordinals] = np.arange(len(rows))
        values = self._values(rows)
        count = TableCount(self.columns, self.personal)
        count.add(values)
        hashes = rows.column(HASH).to_numpy().view(np.uint64)
        file = self._write(partition, self._profile(values, hashes, old, row_of))
        answer["added"] = size - len(known)
        answer["keys"] = {"partition": partition, "ordinals": size, "alive": len(rows)}
        answer |= {"file": file.model_dump(), "columns": count.result()}
        return answer

    def _values(self, rows: Any) -> Any:
        """Return the rows as the store holds them."""
        columns = {}
        for number, (name, text) in enumerate(self.columns.items()):
            columns[name] = unpack(rows.column(position(number)), parse_type(text)).combine_chunks()
        return pa.table(columns)

    def _known(self, partition: int) -> Any:
        kind = arrow_type(parse_type(self.columns[self.key]))
        if partition not in self.before:
            return pa.table({self.key: pa.array([], kind), KEY_HASH: pa.array([], pa.uint64())})
        return read_columns(self.lake, self.before[partition], [self.key, KEY_HASH])

    def _profile(self, values: Any, hashed: Any, old: Any, row_of: Any) -> Any:
        """Return one row per ordinal; a vanished customer keeps key and hash and nothing else."""
        alive = row_of >= 0
        index = pa.array(row_of, mask=~alive)
        columns: dict[str, Any] = {ALIVE: pa.array(alive)}
        hashes = np.zeros(len(row_of), dtype=np.uint64)
        hashes[: len(old)] = old.column(KEY_HASH).to_numpy()
        hashes[alive] = hashed[row_of[alive]]
        columns[KEY_HASH] = pa.array(hashes)
        for name in self.columns:
            columns[name] = values.column(name).combine_chunks().take(index)
        kept = pa.concat_arrays(
            [old.column(self.key).combine_chunks(), columns[self.key][len(old) :]]
        )
        columns[self.key] = pc.coalesce(columns[self.key], kept)
        return pa.table(columns)

    def _write(self, partition: int, table: Any) -> StoreFile:
        with StoreWriter(self.lake, self.directory, partition, table.schema) as writer:
            writer.write(table)
            file = writer.close(even_empty=True)
        assert file is not None
        return file
