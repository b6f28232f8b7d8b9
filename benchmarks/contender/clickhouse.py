"""ClickHouse inside a process (chdb): one query a segment, as the closest open-source product does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chdb import session

from benchmarks.contender.contender import Stage
from benchmarks.data import TABLES
from benchmarks.mix import Segment
from benchmarks.query import alone, clickhouse

#: chdb's classes have no types.
_untyped: Callable[[str], Any] = session.Session


class ClickHouseEach:
    """One query a segment over the source files."""

    def __init__(self, stage: Stage) -> None:
        folder = stage.scratch / "clickhouse"
        folder.mkdir(parents=True, exist_ok=True)
        self._session: Any = _untyped(str(folder))
        self._settings = (
            f" SETTINGS max_threads = {stage.cores}, max_memory_usage = {stage.memory_bytes},"
            f" max_execution_time = {stage.limit_seconds:.0f}"
        )
        self._dialect = clickhouse(
            {
                table: f"file('{stage.dataset.folder}/{table}/*.parquet', 'Parquet')"
                for table in ("customers", *TABLES)
            }
        )

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Run one query after the other."""
        return [
            int(str(self._session.query(alone(segment, self._dialect) + self._settings, "CSV")))
            for segment in segments
        ]
