"""DuckDB: a query a segment, one query for all, a query a segment over the prepared store, and preparing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from benchmarks.contender.contender import Stage
from benchmarks.contender.snapshot import newest_store
from benchmarks.data import TABLES
from benchmarks.mix import Segment
from benchmarks.query import DUCKDB, alone, together

T = TypeVar("T")

_IDENTITIES = {"transactions": "transaction_id", "activities": "activity_id"}


class QueryEach:
    """What a person would write: one query a segment over the source files."""

    def __init__(self, stage: Stage) -> None:
        self._connection = _open(stage)
        self._limit = stage.limit_seconds
        for table in ("customers", *TABLES):
            _view(self._connection, table, f"SELECT * FROM {_parquet(stage, table)}")

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Run one query after the other."""

        def run() -> list[int]:
            queries = [alone(segment, DUCKDB) for segment in segments]
            return [int(self._connection.sql(query).fetchall()[0][0]) for query in queries]

        return _within(self._limit, self._connection, run)


class QueryAll(QueryEach):
    """One query, written by hand, that counts all segments at once."""

    def count(self, segments: Sequence[Segment]) -> list[int]:
        """Run the one query."""
        query = together(segments, DUCKDB)
        return _within(
            self._limit,
            self._connection,
            lambda: [int(value) for value in self._connection.sql(query).fetchall()[0]],
        )


class SortedEach(QueryEach):
    """The same queries over a copy sorted by time: a window then skips most of the file."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        folder = stage.scratch / "sorted"
        folder.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            target = folder / f"{table}.parquet"
            if not target.exists():
                self._connection.execute(
                    f"COPY (SELECT * FROM {table} ORDER BY occurred_at) TO '{target}'"
                    " (FORMAT parquet, COMPRESSION zstd)"
                )
            source = f"SELECT * FROM read_parquet('{target}')"
            self._connection.execute(f"CREATE OR REPLACE VIEW {table} AS {source}")


class StoreEach(QueryEach):
    """The same queries over Muster's prepared store: integers for keys, rows newest first."""

    def __init__(self, stage: Stage) -> None:
        self._connection = _open(stage)
        self._limit = stage.limit_seconds
        store = newest_store(stage.home)
        root, manifest = Path(store.lake.root), store.manifest
        profile = [(file.partition, str(root / file.path)) for file in manifest.profile]
        parts = [
            f"SELECT ({number}::BIGINT << 32) + file_row_number AS customer_id,"
            f" * EXCLUDE (customer_id, file_row_number) FROM"
            f" read_parquet('{path}', file_row_number = true) WHERE _alive"
            for number, path in profile
        ]
        _view(self._connection, "customers", " UNION ALL ".join(parts))
        for table in TABLES:
            prepared = manifest.tables[table]
            numbers = sorted({file.partition for file in prepared.files})
            rows = []
            for number in numbers:
                files = [str(root / f.path) for f in prepared.files if f.partition == number]
                columns = ", ".join(name for name in prepared.columns if name != "customer_id")
                rows.append(
                    f"SELECT ({number}::BIGINT << 32) + _ordinal AS customer_id, {columns}"
                    f" FROM read_parquet({files})"
                )
            _view(self._connection, table, " UNION ALL ".join(rows))


class Preparing:
    """The join and the sort that preparing is, in DuckDB: numbers for keys, rows newest first, as Parquet."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._connection = _open(stage)
        self._folder = stage.scratch / "duckdb-store"
        self._folder.mkdir(parents=True, exist_ok=True)

    def first(self, partitions: int) -> None:
        """Prepare everything there is."""
        self._connection.execute(
            "CREATE OR REPLACE TABLE numbered AS SELECT customer_id,"
            f" hash(customer_id) % {partitions} AS part, row_number() OVER"
            f" (PARTITION BY hash(customer_id) % {partitions} ORDER BY customer_id) - 1 AS ordinal"
            f" FROM {_parquet(self._stage, 'customers')}"
        )
        self._copy(
            f"SELECT n.part, n.ordinal, c.* FROM {_parquet(self._stage, 'customers')} c"
            " JOIN numbered n USING (customer_id) ORDER BY n.part, n.ordinal",
            "customers",
        )
        for table in TABLES:
            self._rows(table, _parquet(self._stage, table), table)

    def day(self) -> None:
        """Prepare the day that was added."""
        for table in TABLES:
            file = self._stage.dataset.folder / table / "z-last-day.parquet"
            self._rows(table, f"read_parquet('{file}')", f"{table}-day")

    def _rows(self, table: str, source: str, name: str) -> None:
        self._copy(
            "SELECT n.part, n.ordinal::INTEGER AS ordinal, r.* EXCLUDE (customer_id)"
            f" FROM {source} r JOIN numbered n USING (customer_id)"
            f" ORDER BY n.part, r.occurred_at DESC, r.{_IDENTITIES[table]} DESC",
            name,
        )

    def _copy(self, query: str, name: str) -> None:
        target = self._folder / f"{name}.parquet"
        self._connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def _open(stage: Stage) -> Any:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {stage.cores}")
    connection.execute(f"SET memory_limit = '{stage.memory_bytes // 2**20}MiB'")
    connection.execute(f"SET temp_directory = '{stage.scratch}/duckdb-spill'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


def _parquet(stage: Stage, table: str) -> str:
    return f"read_parquet('{stage.dataset.folder}/{table}/*.parquet')"


def _view(connection: Any, name: str, query: str) -> None:
    connection.execute(f"CREATE VIEW {name} AS {query}")


def _within(seconds: float, connection: Any, work: Callable[[], T]) -> T:
    """Run `work`, and stop its query after so many seconds.

    Raises:
        TimeoutError: it was stopped, or ran out of memory.
    """
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        return work()
    except duckdb.InterruptException as exc:
        raise TimeoutError(f"did not finish in {seconds:.0f} s") from exc
    except duckdb.OutOfMemoryException as exc:
        raise TimeoutError("ran out of the memory it may take") from exc
    finally:
        timer.cancel()
