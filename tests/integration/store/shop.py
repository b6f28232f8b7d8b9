"""A small shop in Parquet files, and a way to read a snapshot back as plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from muster_core.catalog.document import Catalog
from muster_core.catalog.text import read_catalog
from muster_core.lake.inspect import resolve_catalog
from muster_core.lake.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)

CATALOG = """
profile: {table: customers, key: id, source: {parquet: customers.parquet}}
tables:
  orders: {source: {parquet: orders}, time: at, row_key: [number]}
relationships:
  - {name: buyer, from: orders.customer, to: customers.id}
"""

Order = tuple[str | None, int | None, int | None, int]


class Shop:
    """Source files that tests rewrite; customers are texts, orders (customer, minute, number, amount)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "orders").mkdir(parents=True)

    def customers(self, ids: Sequence[str | None]) -> Shop:
        ages = [len(i or "") for i in ids]
        table = pa.table({"id": pa.array(ids, pa.string()), "age": ages})
        self._write(table, "customers.parquet")
        return self

    def orders(self, *files: Sequence[Order]) -> Shop:
        for number, rows in enumerate(files):
            table = pa.table(
                {
                    "customer": pa.array([r[0] for r in rows], pa.string()),
                    "at": pa.array(
                        [None if r[1] is None else START + timedelta(minutes=r[1]) for r in rows],
                        pa.timestamp("us", "UTC"),
                    ),
                    "number": pa.array([r[2] for r in rows], pa.int32()),
                    "amount": pa.array([r[3] for r in rows], pa.int64()),
                }
            )
            self._write(table, f"orders/{number}.parquet")
        return self

    def catalog(self, text: str = CATALOG) -> Catalog:
        return resolve_catalog(read_catalog(text, "shop.yaml"), base=self.folder).catalog

    def _write(self, table: Any, name: str) -> None:
        # a new file under the old name, as a real source would do it
        fresh = self.folder / "fresh"
        pq.write_table(table, fresh)
        fresh.replace(self.folder / name)


def ordinals(store: Store) -> dict[tuple[int, int], str]:
    """Return the key of every ordinal ever given out."""
    found: dict[tuple[int, int], str] = {}
    for number in range(store.manifest.partitions):
        keys = store.partition(number).profile(["id"])["id"].to_pylist()
        found |= {(number, i): key for i, key in enumerate(keys)}
    return found


def alive(store: Store) -> set[str]:
    """Return the keys of the customers that exist."""
    found: set[str] = set()
    for number in range(store.manifest.partitions):
        partition = store.partition(number)
        keys = partition.profile(["id"])["id"].to_pylist()
        found |= {k for k, a in zip(keys, partition.alive(), strict=True) if a}
    return found


def rows(store: Store, table: str = "orders", key: str = "id") -> dict[Any, list[dict[str, Any]]]:
    """Return the rows of every alive customer by key, in the order of the files."""
    columns = [*store.manifest.tables[table].columns, "_source_file", "_source_row"]
    found: dict[Any, list[dict[str, Any]]] = {}
    for number in range(store.manifest.partitions):
        partition = store.partition(number)
        keys = partition.profile([key])[key].to_pylist()
        live = partition.alive()
        for batch in partition.rows(table, columns):
            for row in batch.to_pylist():
                ordinal = row.pop("_ordinal")
                if live[ordinal]:
                    found.setdefault(keys[ordinal], []).append(row)
    return found


def stored(store: Store, table: str, key: str = "id") -> dict[Any, list[dict[str, Any]]]:
    """Return what `rows` does, under the names of the source files."""
    names = {file.number: file.path for file in store.manifest.tables[table].sources}
    found = rows(store, table, key)
    for row in (row for own in found.values() for row in own):
        row["_source_file"] = names[row["_source_file"]]
    return found


def counts(store: Store, table: str) -> tuple[int, int, int]:
    """Return the rows of a table somebody may own, and those left out: without customer, without time."""
    known = store.manifest.tables[table]
    lost = known.rows_without_customer, known.rows_without_time
    return known.rows + known.orphan_rows, *lost
