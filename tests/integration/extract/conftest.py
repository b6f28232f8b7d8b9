from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.extract.dead import dead_rows
from muster_core.extract.description import Description, describe
from muster_core.extract.document import PostgresSource
from muster_core.extract.ledger import Ledger
from muster_core.extract.manifest import ExtractManifest
from muster_core.extract.session import reading
from muster_core.lake.location import Lake
from muster_worker.extract.extraction import Extraction, extract


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBench:
    """A database somebody else writes to, and a lake it is extracted into."""

    url: str
    lake: Lake

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self, statement: str) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def describe(self, source: PostgresSource) -> Description:
        with reading(source, self.url, "items") as session:
            return describe(session)

    def columns(self, source: PostgresSource) -> dict[str, str]:
        return {name: str(c.kind) for name, c in self.describe(source).columns.items()}

    def extract(self, source: PostgresSource, **given: Any) -> Extraction:
        given.setdefault("columns", self.columns(source))
        return extract(self.lake, source, self.url, table="items", **given)

    def ledger(self, source: PostgresSource) -> Ledger:
        columns = self.columns(source)
        return Ledger(lake=self.lake, table="items", definition=source.definition(columns))

    def extracted(self, manifest: ExtractManifest) -> pa.Table:
        """Return the rows that live, as any reader finds them."""
        dead = dead_rows(self.lake, manifest)
        tables = []
        for file in manifest.files:
            with self.lake.open_input(file.path) as opened:
                table = pq.read_table(opened)
            assert table.num_rows == file.rows
            live = np.ones(file.rows, dtype=np.bool_)
            live[dead.get(file.number, np.zeros(0, np.int64))] = False
            assert int(np.count_nonzero(~live)) == file.dead_rows
            tables.append(table.filter(pa.array(live)))
        return pa.concat_tables(tables)

    def equals(self, manifest: ExtractManifest, statement: str) -> bool:
        """Whether the extracted rows are what `statement` gives now, in any order."""
        found = self.extracted(manifest)
        columns = [found[name].to_pylist() for name in found.column_names]
        mine = sorted(_comparable(row) for row in zip(*columns, strict=True))
        return mine == sorted(_comparable(row) for row in self.rows(statement))


def _comparable(row: Iterable[Any]) -> str:
    """Return a row as text; zones that show the same instant are one."""
    return repr([v.astimezone(UTC) if isinstance(v, datetime) and v.tzinfo else v for v in row])


@pytest.fixture
def source(postgres_url: str, tmp_path: Any) -> Iterator[SourceBench]:
    """An empty database of the test's own beside an empty lake."""
    name = f"source_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    lake = tmp_path / "lake"
    lake.mkdir()
    yield SourceBench(url=f"{postgres_url.rsplit('/', 1)[0]}/{name}", lake=Lake(str(lake)))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
