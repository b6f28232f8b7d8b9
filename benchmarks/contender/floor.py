"""The floor: PyArrow reads the columns the segments need, and does nothing with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contender.contender import Stage
from benchmarks.contender.snapshot import newest_store
from benchmarks.data import TABLES
from benchmarks.mix import Segment
from benchmarks.query import columns_needed, oldest_needed
from muster_core.lake.manifest import ALIVE, ORDINAL

_TIME = "occurred_at"
_TEXTS = {"country", "city", "plan", "category", "channel", "kind", "device"}
_Work = tuple[Path, list[str], datetime | None]


class SourceFloor:
    """Reads the source files: key, time and what the segments name, rows before the oldest window left out."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        pa.set_cpu_count(stage.cores)

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Read everything once; the answer is empty, since nothing is counted."""
        with ThreadPoolExecutor(self._stage.cores) as pool:
            for _ in pool.map(lambda work: _read(*work), list(self._work(segments))):
                pass
        return []

    def _work(self, segments: Sequence[Segment]) -> Iterator[_Work]:
        oldest = oldest_needed(segments)
        for table, columns in columns_needed(segments).items():
            keys = ["customer_id"] if table == "customers" else ["customer_id", _TIME]
            for file in self._stage.dataset.files(table):
                yield file, [*keys, *sorted(columns)], oldest.get(table)


class StoreFloor(SourceFloor):
    """The same over the prepared store."""

    def _work(self, segments: Sequence[Segment]) -> Iterator[_Work]:
        store = newest_store(self._stage.home)
        root, needed, oldest = (
            Path(store.lake.root),
            columns_needed(segments),
            oldest_needed(segments),
        )
        for file in store.manifest.profile:
            yield root / file.path, [ALIVE, *sorted(needed["customers"])], None
        for table in TABLES:
            for file in store.manifest.tables[table].files if table in needed else ():
                columns = [ORDINAL, _TIME, *sorted(needed[table])]
                yield root / file.path, columns, oldest[table]


def _read(path: Path, columns: list[str], oldest: datetime | None) -> int:
    texts = [name for name in columns if name in _TEXTS]
    file: Any = pq.ParquetFile(path, read_dictionary=texts)
    names = file.schema_arrow.names
    groups = [
        group
        for group in range(file.metadata.num_row_groups)
        if oldest is None
        or file.metadata.row_group(group).column(names.index(_TIME)).statistics.max >= oldest
    ]
    batches = file.iter_batches(row_groups=groups, columns=columns, use_threads=False)
    return sum(batch.num_rows for batch in batches)
