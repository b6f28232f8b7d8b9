"""Every distinct value of a column with its rows, whatever the partitions and the type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muster_core.catalog.document import Catalog, Source, Table
from muster_core.errors import Conflict, NotFound
from muster_core.lake import value
from muster_core.lake.location import Lake
from muster_core.lake.manifest import ALIVE, KeyRange, SnapshotManifest, StoreFile
from muster_core.lake.store import write_snapshot

COLUMNS = {"id": "integer", "word": "text", "ratio": "float", "tags": "array<text>"}
ROWS = [
    (1, True, "a", 1.5, ["x", "y"]),
    (2, True, "", float("nan"), ["x", None, ""]),
    (3, False, "gone", 9.0, ["gone"]),
    (4, True, "b", 1.5, None),
    (5, True, "a", None, []),
]


Count = Callable[[str, str], Counter[Any]]


@pytest.fixture
def count(tmp_path: Path) -> Count:
    lake = Lake(str(tmp_path))
    files, keys = [], []
    for number, rows in enumerate((ROWS[:3], ROWS[3:])):
        path = f"store/{number}.parquet"
        part = pa.table(
            {
                ALIVE: pa.array([r[1] for r in rows]),
                "id": pa.array([r[0] for r in rows]),
                "word": pa.array([r[2] for r in rows]).dictionary_encode(),
                "ratio": pa.array([r[3] for r in rows], pa.float64()),
                "tags": pa.array([r[4] for r in rows], pa.list_(pa.string())),
            }
        )
        with lake.open_output(path) as output:
            pq.write_table(part, pa.PythonFile(output, mode="w"))
        size, digest = output.size, output.sha256
        files.append(
            StoreFile(path=path, partition=number, rows=len(rows), size=size, sha256=digest)
        )
        keys.append(KeyRange(partition=number, ordinals=len(rows), alive=sum(r[1] for r in rows)))
    profile = Table(name="customers", source=Source(parquet="/x"), columns=COLUMNS)
    manifest = SnapshotManifest(
        generation=1,
        partitions=2,
        parent=None,
        catalog=Catalog(profile=profile, key="id"),
        fingerprint="0",
        sources=[],
        keys=keys,
        columns=COLUMNS,
        profile=files,
        tables={},
    )
    path, sha256 = write_snapshot(lake, "store", manifest)

    def counted(table: str, column: str) -> Counter[Any]:
        found = value.count_values(lake, path, sha256, table, column).to_pylist()
        return Counter({row["value"]: row["rows"] for row in found})

    return counted


def test_values_that_are_set_of_customers_who_exist_are_counted(count: Count) -> None:
    assert count("customers", "word") == {"a": 2, "b": 1}
    assert count("customers", "ratio") == {1.5: 2}
    assert count("customers", "tags") == {"x": 2, "y": 1}
    assert count("customers", "id") == {1: 1, 2: 1, 4: 1, 5: 1}


def test_columns_that_are_not_there_and_too_many_values_are_refused(
    count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound):
        count("customers", "wrod")
    with pytest.raises(NotFound):
        count("orders", "word")
    monkeypatch.setattr(value, "MOST_LISTED", 1)
    with pytest.raises(Conflict, match="more than 1 different"):
        count("customers", "word")
