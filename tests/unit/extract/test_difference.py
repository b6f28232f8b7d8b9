"""Comparing rows by their hashes, slice by slice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster_core.errors import DuplicateKeys
from muster_core.extract.manifest import PartFile
from muster_core.lake.location import Lake
from muster_worker.extract import difference
from muster_worker.extract.difference import Comparison
from muster_worker.extract.index import entries_of, write_index
from muster_worker.extract.part import StagedFile

Row = tuple[int, str]
ROWS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab")), max_size=12)


class Bench:
    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.count = 0

    def index(self, rows: list[Row], piece: int = 0) -> str:
        self.count += 1
        path = f"{self.count}.index"
        batch = pa.RecordBatch.from_pydict(
            {"id": pa.array([r[0] for r in rows], pa.int64()), "v": pa.array([r[1] for r in rows], pa.string())}
        )  # fmt: skip
        write_index(self.lake, path, [entries_of(batch, ["id"], 0, piece)])
        return path

    def stored(self, number: int, rows: list[Row], piece: int = 0) -> PartFile:
        index = self.index(rows, piece)
        return PartFile(number=number, path="", index=index, rows=len(rows), size=0, sha256="")

    def staged(self, rows: list[Row], piece: int = 0) -> StagedFile:
        return StagedFile(path="", index=self.index(rows, piece), rows=len(rows), size=0, sha256="")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Lake(str(tmp_path)))


def pick(files: list[list[Row]], chosen: dict[int, Any]) -> Counter[Row]:
    return Counter(files[place][row] for place, rows in chosen.items() for row in rows.tolist())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(old=st.lists(ROWS, max_size=3), new=st.lists(ROWS, max_size=3), dead=st.booleans())
def test_a_whole_comparison_is_the_difference_of_multisets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, old: list[list[Row]], new: list[list[Row]], dead: bool
) -> None:  # fmt: skip
    monkeypatch.setattr(difference, "SLICE_ENTRIES", 5)
    died = {7: np.array([0])} if dead and old and old[0] else {}
    comparison = Comparison(
        lake=bench.lake,
        stored=[bench.stored(7 + place, rows) for place, rows in enumerate(old)],
        dead=died,
        staged=[bench.staged(rows) for rows in new],
    )
    found = comparison.whole([], table="t", check_keys=False)
    alive = Counter(row for rows in old for row in rows)
    alive.subtract(old[0][:1] if died else [])
    now = Counter(row for rows in new for row in rows)
    assert pick(old, {n - 7: rows for n, rows in found.dead.items()}) == alive - now
    assert pick(new, found.fresh) == now - alive
    if died:
        assert 0 not in found.dead.get(7, np.zeros(0)).tolist()


def test_rows_of_pieces_that_are_kept_stay(bench: Bench) -> None:
    comparison = Comparison(
        lake=bench.lake,
        stored=[bench.stored(1, [(1, "a"), (2, "a")], piece=1), bench.stored(2, [(3, "a")], piece=2)],
        dead={},
        staged=[bench.staged([(3, "b")], piece=2)],
    )  # fmt: skip
    found = comparison.whole([1], table="t", check_keys=True)
    assert {n: rows.tolist() for n, rows in found.dead.items()} == {2: [0]}
    assert found.touched == {2}


def test_rows_that_moved_are_told(bench: Bench) -> None:
    comparison = Comparison(
        lake=bench.lake,
        stored=[bench.stored(1, [(1, "a"), (2, "a")], piece=1)],
        dead={},
        staged=[bench.staged([(2, "a")], piece=5), bench.staged([(1, "a")], piece=1)],
    )
    found = comparison.whole([], table="t", check_keys=True)
    assert not found.dead
    assert not found.fresh
    assert {n: (r.tolist(), p.tolist()) for n, (r, p) in found.moved.items()} == {1: ([1], [5])}


def test_newer_versions_replace_older_ones_and_nothing_else_dies(bench: Bench) -> None:
    comparison = Comparison(
        lake=bench.lake,
        stored=[
            bench.stored(1, [(1, "a"), (2, "a"), (3, "a")], piece=4),
            bench.stored(2, [(2, "b")], piece=6),
        ],
        dead={1: np.array([1])},
        staged=[bench.staged([(1, "a"), (2, "a"), (4, "a")])],
    )
    found = comparison.changed(table="t")
    # 1 is as it was; 2 was b and is a again, though an a of it died before; 4 is new
    assert {n: rows.tolist() for n, rows in found.dead.items()} == {2: [0]}
    assert {n: rows.tolist() for n, rows in found.fresh.items()} == {0: [1, 2]}
    assert found.touched == {6}


def test_keys_that_repeat_are_counted(bench: Bench) -> None:
    twice = Comparison(
        lake=bench.lake,
        stored=[bench.stored(1, [(1, "a")], piece=1)],
        dead={},
        staged=[bench.staged([(1, "b"), (2, "a"), (2, "a")], piece=2)],
    )
    with pytest.raises(DuplicateKeys, match="2 rows"):
        twice.whole([1], table="t", check_keys=True)
    with pytest.raises(DuplicateKeys, match="1 new rows"):
        twice.changed(table="t")
