"""TPC-H and TPC-DS data and answers, made by DuckDB; the members by Muster's public commands.

`make tpc` runs these at scale 1; MUSTER_TPC_SCALE names another scale. Without it they are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.acceptance.conftest import Muster, started

SCALE = os.environ.get("MUSTER_TPC_SCALE", "")
DOCUMENTS = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def tpch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """DuckDB with the data of TPC-H."""
    yield from _generated(tmp_path_factory.mktemp("tpch"), "tpch", "dbgen")


@pytest.fixture(scope="session")
def tpcds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """DuckDB with the data of TPC-DS."""
    yield from _generated(tmp_path_factory.mktemp("tpcds"), "tpcds", "dsdgen")


def _generated(folder: Path, name: str, generator: str) -> Iterator[Any]:
    if not SCALE:
        pytest.skip("MUSTER_TPC_SCALE is not set: `make tpc` runs this")
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect(str(folder / "data.duckdb"))
    try:
        connection.execute(f"LOAD '{_extension(name)}'")
        connection.execute(f"CALL {generator}(sf = {float(SCALE)})")
        yield connection
    finally:
        connection.close()


def _extension(name: str) -> Path:
    found = find_spec(f"duckdb_extension_{name}")
    assert found is not None
    assert found.origin is not None
    (file,) = (Path(found.origin).parent / "extensions").glob(f"*/{name}.duckdb_extension")
    return file


def write_tables(duck: Any, names: list[str], folder: Path) -> None:
    """Write tables as Parquet files, as a warehouse would hand them over."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = folder / f"{name}.parquet"
        duck.execute(f"COPY {name} TO '{file}' (FORMAT parquet)")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Muster]:
    """A running Muster of its own: each catalog has another profile."""
    muster = started(tmp_path / "muster")
    try:
        yield muster
    finally:
        muster("down")


def evaluate(muster: Muster, catalog: str, folder: Path, segments: Path) -> dict[str, int]:
    """Apply a catalog and segments, refresh everything and return the members of each segment."""
    file = folder / "catalog.yaml"
    file.write_text((DOCUMENTS / catalog).read_text())
    muster.ok("catalog", "apply", file)
    muster.ok("segment", "apply", segments)
    answer = muster.json("segment", "refresh", "--all", "--wait", timeout=900)
    return {run["segment"]: run["members"] for run in answer["runs"]}


def download(muster: Muster, segment: str) -> Any:
    """Return all members of a segment with the columns it puts out."""
    file = muster.folder / f"{segment}.parquet"
    muster.ok("segment", "download", segment, "--to", file)
    return pq.read_table(file)
