"""The task that moves rows out of orphan files once their customer is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muster_core.errors import StoreDamaged
from muster_core.lake.bitmap import read_bitmap
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ORDINAL, SOURCE_FILE, StoreFile
from muster_worker.prepare.keyfile import read_keys
from muster_worker.prepare.task.writing import split_rows
from muster_worker.prepare.writer import (
    GROUP_ROWS,
    ORPHAN_KEY,
    StoreWriter,
    orphan_schema,
    table_schema,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One orphan file whose partition has new keys."""

    table: str
    columns: dict[str, str]
    file: StoreFile
    profile: StoreFile
    #: Source files whose rows no longer count.
    dead: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveFile:
    """The task: number of an orphan file in, the file of resolved rows and the rest out."""

    lake: Lake
    directory: str
    key: str
    waiting: tuple[Waiting, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one JSON answer per orphan file."""
        for batch in batches:
            for number in batch.column("id").to_pylist():
                answer = {"number": number, **self._resolve(self.waiting[number])}
                yield pa.RecordBatch.from_pydict({"result": [json.dumps(answer)]})

    def _resolve(self, entry: Waiting) -> dict[str, Any]:
        keys = read_keys(self.lake, entry.profile, self.key)
        partition, columns = entry.file.partition, entry.columns
        dead, at = read_bitmap(self.lake, entry.file), 0
        with (
            StoreWriter(self.lake, self.directory, partition, table_schema(columns)) as kept,
            StoreWriter(self.lake, self.directory, partition, orphan_schema(columns)) as rest,
        ):
            for batch in self._rows(entry.file):
                rows: Any = pa.Table.from_batches([batch])
                at += rows.num_rows
                if dead is not None:
                    rows = rows.filter(pa.array(~dead[at - rows.num_rows : at]))
                if entry.dead:
                    killed = pc.is_in(rows.column(SOURCE_FILE), pa.array(entry.dead, pa.int32()))
                    rows = rows.filter(pc.invert(killed))
                place = pc.index_in(rows.column(ORPHAN_KEY), keys, skip_nulls=True)
                split_rows(rows.append_column(ORDINAL, place), kept, rest)
            file, left = kept.close(), rest.close()
        return {"file": file and file.model_dump(), "orphans": left and left.model_dump()}

    def _rows(self, file: StoreFile) -> Iterator[pa.RecordBatch]:
        try:
            with self.lake.open_input(file.path) as source:
                yield from pq.ParquetFile(source).iter_batches(GROUP_ROWS, use_threads=False)
        except pa.ArrowException as exc:
            raise StoreDamaged(f"The file {file.path} cannot be read.") from exc
